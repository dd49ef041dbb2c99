import { HistoryReplacedError } from '@bms/metastore';
import { pause, type Clock } from '../clock';
import type { MeshStore } from '../store/mesh-store';
import type { StoreTrust } from '../store/store-trust';
import { ChangeSource, type Changing } from '../watch/change-source';

export interface StorePulseOptions {
  readonly store: MeshStore;
  readonly trust: StoreTrust;
  /** Read to find out whether the store answers. */
  readonly key: string;
  readonly clock: Clock;
  readonly onSuspicion: () => void;
}

/** How often the store is asked, and how long it may take. */
const EVERY_MS = 1_000;
const ANSWER_BOUND_MS = 1_500;
/** After so many unanswered in a row the store counts as lost: well before any lease runs out. */
const LOST_AFTER = 2;

/** Whether the store answers this registry, by a small read once a second. */
export class StorePulse implements Changing {
  private readonly changes = new ChangeSource();
  private readonly stop = new AbortController();
  private failures = 0;
  private running: Promise<void> | undefined;

  constructor(private readonly options: StorePulseOptions) {}

  /** The store does not answer, or is not the one that the mesh follows. */
  get lost(): boolean {
    return this.failures >= LOST_AFTER || this.options.trust.doubt !== undefined;
  }

  onChange(listener: () => void): () => void {
    return this.changes.onChange(listener);
  }

  start(): void {
    this.running = this.run(this.stop.signal);
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.running;
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const before = this.lost;
      this.failures = (await this.answers(signal)) ? 0 : this.failures + 1;
      if (this.lost !== before) this.changes.announce();
      await pause(this.options.clock, EVERY_MS, signal);
    }
  }

  private async answers(signal: AbortSignal): Promise<boolean> {
    const { store, key, clock, onSuspicion } = this.options;
    const enough = new AbortController();
    const bound = AbortSignal.any([signal, enough.signal]);
    const answered = store.raw.range({ key }, { signal: bound }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof HistoryReplacedError) onSuspicion();
        return false;
      },
    );
    // A store may go on trying for longer than what is worth waiting for here.
    const late = pause(clock, ANSWER_BOUND_MS, bound).then(() => false);
    try {
      return await Promise.race([answered, late]);
    } finally {
      enough.abort();
    }
  }
}
