import { HistoryReplacedError } from '@bms/metastore';
import { LinkedAbort } from '@bms/transport';
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
/**
 * After so long without an answer the store counts as lost: well before a lease runs out, and later than any other registry
 * that has lost it, too, has had its first question unanswered.
 */
const LOST_AFTER_MS = 4_000;

/** Whether the store answers this registry, by a small read once a second. */
export class StorePulse implements Changing {
  private readonly changes = new ChangeSource();
  private readonly stop = new AbortController();
  private answered = true;
  private unanswered = false;
  private running: Promise<void> | undefined;

  constructor(private readonly options: StorePulseOptions) {}

  /** The last question was answered, by the store that the mesh follows. */
  get reaches(): boolean {
    return this.answered && this.options.trust.doubt === undefined;
  }

  /** The store has not answered for a while, or is not the one that the mesh follows. */
  get lost(): boolean {
    return this.unanswered || this.options.trust.doubt !== undefined;
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
    const { clock } = this.options;
    let answeredAtMs = clock.nowMs();
    while (!signal.aborted) {
      const before = [this.answered, this.unanswered];
      this.answered = await this.answers(signal);
      if (this.answered) answeredAtMs = clock.nowMs();
      this.unanswered = clock.nowMs() - answeredAtMs >= LOST_AFTER_MS;
      if (this.answered !== before[0] || this.unanswered !== before[1]) this.changes.announce();
      await pause(clock, EVERY_MS, signal);
    }
  }

  private async answers(signal: AbortSignal): Promise<boolean> {
    const { store, key, clock, onSuspicion } = this.options;
    const question = new LinkedAbort(signal);
    const asked = store.raw.range({ key }, { signal: question.signal }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof HistoryReplacedError) onSuspicion();
        return false;
      },
    );
    // A store may go on trying for longer than what is worth waiting for here.
    const late = pause(clock, ANSWER_BOUND_MS, question.signal).then(() => false);
    try {
      return await Promise.race([asked, late]);
    } finally {
      question.abort();
      question.unlink();
    }
  }
}
