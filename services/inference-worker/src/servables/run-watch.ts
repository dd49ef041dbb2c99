import type { Clock } from '../clock';

/** From then on a run counts as long. */
const LONG_MS = 1_000;
/** From then on a run for which nobody waits is taken to never return. */
const STUCK_MS = 60_000;
const LOOK_MS = 250;

/** A run that goes on. */
export interface WatchedRun {
  /** Called once when it has taken long. */
  readonly onLong: () => void;
  /** Whether somebody still waits for its answer. */
  readonly isWaitedFor: () => boolean;
  /** Called once when it is taken to never return. */
  readonly onStuck: () => void;
}

interface Entry {
  readonly run: WatchedRun;
  readonly sinceMs: number;
  long: boolean;
}

/** Notices runs that take long, or for ever: one look at all of them now and then, since a timer for each would cost more. */
export class RunWatch {
  private readonly entries = new Set<Entry>();
  private looking = false;

  constructor(private readonly clock: Clock) {}

  /** Watches until the answer is called. */
  watch(run: WatchedRun): () => void {
    const entry = { run, sinceMs: this.clock.monotonic(), long: false };
    this.entries.add(entry);
    if (!this.looking) void this.look();
    return () => this.entries.delete(entry);
  }

  private async look(): Promise<void> {
    this.looking = true;
    while (this.entries.size > 0) {
      await this.clock.wait(LOOK_MS);
      for (const entry of this.entries) this.check(entry);
    }
    this.looking = false;
  }

  private check(entry: Entry): void {
    const { run, sinceMs, long } = entry;
    const tookMs = this.clock.monotonic() - sinceMs;
    if (tookMs >= LONG_MS && !long) {
      entry.long = true;
      run.onLong();
    }
    if (tookMs >= STUCK_MS && !run.isWaitedFor()) {
      this.entries.delete(entry);
      run.onStuck();
    }
  }
}
