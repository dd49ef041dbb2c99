/** Time as the registry's loops see it, so that a test can hold it. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Runs `action` once after `delayMs`, unless the answer is called before. Does not keep the process alive. */
  after(delayMs: number, action: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
