import { setTimeout as sleep } from 'node:timers/promises';

/** Time, injected so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since 1970: for deadlines and for what others are told. */
  now(): number;
  /** Milliseconds that never jump: for durations. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when `signal` is aborted; never rejects. Does not keep the process alive. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  wait: (ms, signal) =>
    sleep(ms, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) }).catch(() => undefined),
};
