import { BmsError, Reason } from '@bms/contracts';
import type { CancelSignal } from '@bms/transport';

/** Time, so that a test can hold it. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Throws CANCELLED when `signal` is aborted. */
  readonly sleep: (ms: number, signal: CancelSignal | undefined) => Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const giveUp = (): void => {
        clearTimeout(timer);
        reject(new BmsError(Reason.CANCELLED, 'the caller gave up', { cause: signal?.reason }));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', giveUp);
        resolve();
      }, ms);
      if (signal?.aborted === true) giveUp();
      else signal?.addEventListener('abort', giveUp, { once: true });
    }),
};
