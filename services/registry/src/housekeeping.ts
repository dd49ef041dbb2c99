import type { Clock } from './clock';
import type { Leadership } from './placement/leadership';

export interface HousekeepingOptions {
  readonly clock: Clock;
  readonly leadership: Leadership;
  /** What is done, one after the other; each may run on after its time and stops when the signal is aborted. */
  readonly tasks: readonly ((signal: AbortSignal) => Promise<void>)[];
  /** Told of a task that failed; its next turn comes all the same. */
  readonly onTrouble: (error: unknown) => void;
}

export const HOUSEKEEPING_INTERVAL_MS = 3_600_000;

/** Once an hour the leader clears away what nothing refers to any more. */
export class Housekeeping {
  private readonly stop = new AbortController();
  private cancel: (() => void) | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: HousekeepingOptions) {}

  start(): void {
    this.cancel = this.options.clock.after(HOUSEKEEPING_INTERVAL_MS, () => {
      this.running = this.run();
      if (!this.stop.signal.aborted) this.start();
    });
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.cancel?.();
    await this.running;
  }

  private async run(): Promise<void> {
    const { leadership, tasks, onTrouble } = this.options;
    for (const task of tasks) {
      if (this.stop.signal.aborted || !leadership.leads()) return;
      await task(this.stop.signal).catch(onTrouble);
    }
  }
}
