import type { BmsError } from '@bms/contracts';
import type { Changing } from '../watch/change-source';

/** Why long-lived streams and waits are not served now, such as that this registry goes away. */
export interface StreamGate extends Changing {
  /** What those who are connected, or want to be, are told; undefined: they are served. */
  refusal(): BmsError | undefined;
}

/** Closed as long as any of these is; the first says why. */
export function allOf(...gates: readonly StreamGate[]): StreamGate {
  return {
    refusal: () => {
      for (const gate of gates) {
        const refusal = gate.refusal();
        if (refusal !== undefined) return refusal;
      }
      return undefined;
    },
    onChange: (listener) => {
      const undo = gates.map((gate) => gate.onChange(listener));
      return () => undo.forEach((action) => action());
    },
  };
}

/** Closes for good when `signal` is aborted. */
export function closedBy(signal: AbortSignal, refusal: () => BmsError): StreamGate {
  return {
    refusal: () => (signal.aborted ? refusal() : undefined),
    onChange: (listener) => {
      signal.addEventListener('abort', listener, { once: true });
      return () => signal.removeEventListener('abort', listener);
    },
  };
}
