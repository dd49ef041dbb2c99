/** Time that never jumps, injected so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds from an arbitrary start; only differences mean something. */
  monotonicMs(): number;
  /**
   * Calls back once after `delayMs`, or earlier where that is longer than the system can count: whoever is called looks
   * at {@link monotonicMs}. Does not keep the process alive. Answers the way to call it off.
   */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/** The longest delay that setTimeout takes; it treats more as 1 ms. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  setTimer: (callback, delayMs) => {
    const timer = setTimeout(callback, Math.min(delayMs, TIMER_MAX_MS)).unref();
    return () => clearTimeout(timer);
  },
};
