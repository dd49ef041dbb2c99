import { setTimeout as delay } from 'node:timers/promises';
import { BmsError, Reason } from '@bms/contracts';

/** Time, so that a test can hold it. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Throws CANCELLED when `signal` is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (cause) {
      throw new BmsError(Reason.CANCELLED, 'the caller gave up', { cause });
    }
  },
};
