/** How a process ends whose device needs a new one; 75 is taken by services that cannot serve yet. */
export const DEVICE_FAILURE_EXIT_CODE = 76;

/** Whether the device of this process still works. Once it failed it stays so: a new process is its only cure. */
export class DeviceHealth {
  private why: string | undefined;
  private readonly listeners = new Set<(why: string) => void>();

  /** Why the device needs a new process; undefined while it is well. */
  get failure(): string | undefined {
    return this.why;
  }

  /** Calls `listener` at the first failure, once. */
  onFailure(listener: (why: string) => void): void {
    this.listeners.add(listener);
  }

  fail(why: string): void {
    if (this.why !== undefined) return;
    this.why = why;
    for (const listener of this.listeners) listener(why);
  }
}
