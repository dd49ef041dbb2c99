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
  // Not that of node:timers/promises: each of its aborted waits makes an error with a stack, and there is one a run.
  wait: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const over = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', over);
        resolve();
      };
      const timer = setTimeout(over, ms).unref();
      signal?.addEventListener('abort', over, { once: true });
    }),
};
