import { BmsError, Reason } from '@bms/contracts';
import type { Clock } from '../clock';
import type { StreamGate } from '../streams/stream-gate';
import type { Peers } from './peer-directory';
import type { StorePulse } from './store-pulse';

/**
 * A store that comes back answers one registry before the other: who has just reached it again is no better than this one.
 * Longer than a question may take and the pause before it.
 */
const STEADY_MS = 3_000;

/** Closed while this registry has lost the store and another one has it: workers and routers are better off there. */
export function closedWhileCutOff(pulse: StorePulse, peers: Peers, clock: Clock): StreamGate {
  return {
    refusal: () => {
      if (!pulse.lost) return undefined;
      const steadySinceMs = clock.nowMs() - STEADY_MS;
      const others = peers.list().filter(({ storeReachedSinceMs: sinceMs = Infinity }) => sinceMs <= steadySinceMs);
      if (others.length === 0) return undefined;
      const where = others.map(({ record }) => record.address).join(', ');
      return new BmsError(Reason.DRAINING, `this registry has lost the store, others have not: go to ${where}`);
    },
    onChange: (listener) => {
      const undo = [pulse.onChange(listener), peers.onChange(listener)];
      return () => undo.forEach((action) => action());
    },
  };
}
