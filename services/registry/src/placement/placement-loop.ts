import type { VersionId } from '@bms/contracts';
import type { MetaStore, Revision } from '@bms/metastore';
import type { Clock } from '../clock';
import type { KeyLayout } from '../records/keys';
import type { Changing } from '../watch/change-source';
import type { StoreMirror } from '../watch/store-mirror';
import { Agenda, type Urgency } from './agenda';
import { applyAction } from './apply-action';
import type { Leadership } from './leadership';
import { raiseGeneration } from './raise-generation';
import { placementView, type PlacementView } from './placement-view';
import { nextAction, type PlacementAction } from './policy';

export interface PlacementLoopOptions {
  readonly store: MetaStore;
  readonly keys: KeyLayout;
  readonly mirror: StoreMirror;
  /** What the routers have acknowledged; a change lets retired versions go. */
  readonly acknowledgements: Changing & { acknowledgedRevision(): Revision };
  readonly leadership: Leadership;
  readonly clock: Clock;
  readonly defaultReplicas: number;
  /** How long after the start workers that are gone are waited for. */
  readonly settleMs: number;
  readonly onAction: (action: PlacementStep) => void;
  /** Told what went wrong; the loop tries again. */
  readonly onTrouble: (error: unknown) => void;
}

export type PlacementStep = Exclude<PlacementAction, { kind: 'none' }>;

/** What happens together is looked at together. */
const SOON_MS = 20;
/** How often a version that no worker has memory for is looked at while workers report. */
const LATER_MS = 1_000;
const RETRY_MS = 500;
/** How long to wait to see one's own write; it comes within milliseconds. */
const OWN_WRITE_BOUND_MS = 5_000;
/** After so many versions the event loop gets its turn. */
const VERSIONS_PER_TURN = 256;

/**
 * Keeps the desired sets as the policy wants them: looks again at the versions that a change of the store, an
 * acknowledgement or the time may have touched, and applies one action after the other, each on a snapshot that has the
 * one before. Only a leader's writes count, and only a leader tries.
 */
export class PlacementLoop {
  private readonly agenda = new Agenda();
  private readonly stop = new AbortController();
  private readonly undo: (() => void)[] = [];
  private nextRun: { readonly atMs: number; cancel(): void } | undefined;
  private nextRecheck: { readonly atMs: number; cancel(): void } | undefined;
  private running: Promise<void> | undefined;
  private settledAtMs = 0;

  constructor(private readonly options: PlacementLoopOptions) {}

  start(): void {
    const { mirror, acknowledgements, leadership } = this.options;
    this.undo.push(
      mirror.onChange((snapshot, change) => this.schedule(this.agenda.changed(snapshot, change))),
      acknowledgements.onChange(() => this.schedule(this.agenda.acknowledged())),
      leadership.onChange(() => this.reconsider()),
    );
    this.settle();
  }

  /** Workers that are gone are waited for once more, as after a start: the store was not followed for a while. */
  settle(): void {
    const { clock, settleMs } = this.options;
    this.settledAtMs = clock.nowMs() + settleMs;
    this.undo.push(clock.after(settleMs, () => this.reconsider()));
    this.reconsider();
  }

  /** Looks at everything again. */
  reconsider(): void {
    this.agenda.all(this.options.mirror.snapshot);
    this.schedule('soon');
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.nextRun?.cancel();
    this.nextRecheck?.cancel();
    for (const action of this.undo) action();
    await this.running;
  }

  private schedule(urgency: Urgency): void {
    if (urgency !== 'none') this.runIn(urgency === 'soon' ? SOON_MS : LATER_MS);
  }

  private runIn(delayMs: number): void {
    const { clock } = this.options;
    const atMs = clock.nowMs() + delayMs;
    if (this.stop.signal.aborted || (this.nextRun !== undefined && this.nextRun.atMs <= atMs)) return;
    this.nextRun?.cancel();
    const cancel = clock.after(delayMs, () => {
      this.nextRun = undefined;
      this.running ??= this.run().finally(() => {
        this.running = undefined;
        if (this.agenda.open) this.runIn(RETRY_MS);
      });
    });
    this.nextRun = { atMs, cancel };
  }

  private recheckAt(atMs: number): void {
    if (this.nextRecheck !== undefined && this.nextRecheck.atMs <= atMs) return;
    this.nextRecheck?.cancel();
    const { clock } = this.options;
    const cancel = clock.after(Math.max(0, atMs - clock.nowMs()), () => {
      this.nextRecheck = undefined;
      this.schedule(this.agenda.acknowledged());
    });
    this.nextRecheck = { atMs, cancel };
  }

  private async run(): Promise<void> {
    const { leadership, mirror, onTrouble } = this.options;
    try {
      if (leadership.leads()) await this.raiseGenerations();
      this.agenda.begin(mirror.snapshot);
      while (this.agenda.versions.size > 0 && leadership.leads() && !this.stop.signal.aborted) await this.pass();
    } catch (error) {
      if (!this.stop.signal.aborted) onTrouble(error);
    }
  }

  private async raiseGenerations(): Promise<void> {
    const { store, keys, mirror, leadership, clock } = this.options;
    const { signal } = this.stop;
    for (const entry of mirror.snapshot.workers.values()) {
      const revision = await raiseGeneration({ store, keys, leadership, nowMs: clock.nowMs() }, entry, signal);
      if (revision !== undefined) await mirror.reached(revision, signal, OWN_WRITE_BOUND_MS);
    }
  }

  /** Looks at one version after the other until one needs an action, and applies that. */
  private async pass(): Promise<void> {
    const view = this.view();
    let looked = 0;
    for (const id of this.agenda.versions) {
      const action = nextAction(view, id);
      if (action.kind !== 'none') return this.apply(view, id, action);
      this.agenda.settle(id, { short: action.short, retiring: action.recheckAtMs !== undefined });
      if (action.recheckAtMs !== undefined) this.recheckAt(action.recheckAtMs);
      if (++looked % VERSIONS_PER_TURN === 0) return new Promise((resolve) => setImmediate(resolve));
    }
  }

  private async apply(view: PlacementView, id: VersionId, action: PlacementStep): Promise<void> {
    const { store, keys, leadership, mirror, clock, onAction } = this.options;
    const { signal } = this.stop;
    try {
      const context = { store, keys, leadership, snapshot: view.snapshot, nowMs: clock.nowMs() };
      const revision = await applyAction(context, action, signal);
      if (revision === undefined) {
        // What it was decided on has changed meanwhile, and the mirror is about to show that.
        await mirror.reached(view.snapshot.revision + 1n, signal, RETRY_MS);
        return;
      }
      onAction(action);
      await mirror.reached(revision, signal, OWN_WRITE_BOUND_MS);
    } catch (error) {
      // One version that cannot be written must not hold up the others.
      this.agenda.postpone(id);
      throw error;
    }
  }

  private view(): PlacementView {
    const { mirror, acknowledgements, clock, defaultReplicas } = this.options;
    const nowMs = clock.nowMs();
    return placementView({
      snapshot: mirror.snapshot,
      defaultReplicas,
      acknowledgedRevision: acknowledgements.acknowledgedRevision(),
      nowMs,
      settling: nowMs < this.settledAtMs,
    });
  }
}
