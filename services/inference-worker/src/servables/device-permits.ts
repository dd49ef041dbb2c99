/**
 * How many runs go on at once on the device. More than it has cores for only makes each slower, and the thread that
 * holds sockets late.
 */
export class DevicePermits {
  private taken = 0;

  constructor(readonly count: number) {}

  get free(): number {
    return this.count - this.taken;
  }

  /** Takes a permit; the answer gives it back, and may be called twice. undefined: none is free. */
  tryTake(): (() => void) | undefined {
    if (this.free <= 0) return undefined;
    this.taken++;
    let held = true;
    return () => {
      if (held) this.taken--;
      held = false;
    };
  }
}

/**
 * How many runs a worker lets go on at once unless told. On a CPU two workers share a machine by default, so each takes
 * half of the cores, divided by the threads of one run; any other device runs one after the other by itself.
 */
export function defaultConcurrentRuns(onCpu: boolean, cores: number, intraOpThreads: number): number {
  return onCpu ? Math.max(1, Math.floor(cores / (2 * intraOpThreads))) : 1;
}
