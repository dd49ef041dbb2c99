/**
 * How many runs go on at once on the device. More than it has cores for only makes each slower, and the thread that
 * holds sockets late.
 */
export class DevicePermits {
  private taken = 0;
  private readonly waiting: (() => void)[] = [];
  private whenFree: () => void = () => undefined;

  constructor(readonly count: number) {}

  get free(): number {
    return this.count - this.taken;
  }

  /** Calls `listener` after a permit has come back that nobody waits for. One listener: the dispatcher of turns. */
  onFree(listener: () => void): void {
    this.whenFree = listener;
  }

  /** Takes a permit if one is free; give it back with {@link release}. */
  tryTake(): boolean {
    if (this.free <= 0) return false;
    this.taken++;
    return true;
  }

  release(): void {
    const next = this.waiting.shift();
    if (next !== undefined) {
      next(); // the permit changes hands
      return;
    }
    this.taken--;
    this.whenFree();
  }

  /** Runs `work` under a permit, waiting for one first, ahead of the dispatcher. */
  async with<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (!this.tryTake()) await this.take(signal);
    try {
      return await work();
    } finally {
      this.release();
    }
  }

  private async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const granted = (): void => {
        signal.removeEventListener('abort', givenUp);
        resolve();
      };
      const givenUp = (): void => {
        const at = this.waiting.indexOf(granted);
        if (at >= 0) this.waiting.splice(at, 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', givenUp, { once: true });
      this.waiting.push(granted);
    });
  }
}

/**
 * How many runs a worker lets go on at once unless told. On a CPU two workers share a machine by default, so each takes
 * half of the cores, divided by the threads of one run; any other device runs one after the other by itself.
 */
export function defaultConcurrentRuns(onCpu: boolean, cores: number, intraOpThreads: number): number {
  return onCpu ? Math.max(1, Math.floor(cores / (2 * intraOpThreads))) : 1;
}
