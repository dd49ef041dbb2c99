import { CompactedError, HistoryReplacedError, type Revision, type WatchEvent } from '@bms/metastore';
import { LinkedAbort } from '@bms/transport';
import { pause, type Clock } from '../clock';
import type { KeyLayout } from '../records/keys';
import { CorruptValueError, NewerStoreError } from '../records/value-format';
import { meshFormat, type MeshRecord } from '../records/values';
import { pointOf, type KnownPoint } from '../store/known-point';
import type { MeshStore } from '../store/mesh-store';
import { epochIn, readMesh, type StoreRead } from '../store/store-read';
import type { StoreTrust } from '../store/store-trust';
import { waitUntil, type Changing } from './change-source';
import { emptySnapshot, type MeshSnapshot } from './mesh-snapshot';
import { differences } from './snapshot-differences';
import { applyEvents, type SnapshotChange } from './snapshot-reducer';

export interface StoreMirrorOptions {
  readonly store: MeshStore;
  readonly trust: StoreTrust;
  readonly keys: KeyLayout;
  readonly clock: Clock;
  readonly mesh: MeshRecord;
  /** How far this registry had seen the store before; a store that does not fit is in doubt. */
  readonly known?: KnownPoint | undefined;
  /** Told once when the mirror cannot go on: a newer release or somebody else writes to the store. */
  readonly onFailed: (error: Error) => void;
  /** Told about what it gets over by itself: the watch broke and the store is read again. */
  readonly onTrouble: (error: unknown) => void;
}

/** How long after a failed read or watch the next one starts. */
const RETRY_MS = 500;
/** How often a store in doubt is looked at. */
const DOUBT_LOOK_MS = 1_000;

type Listener = (snapshot: MeshSnapshot, change: SnapshotChange) => void;

/**
 * The mesh's records in memory: read once at one revision, then kept up by a watch from there. Everything in the
 * registry that only looks (routes, placement, lists) looks here; whoever writes reads the store itself. While the store is
 * in doubt, the snapshot stays as it was.
 */
export class StoreMirror implements Changing {
  private readonly listeners = new Set<Listener>();
  private present: MeshSnapshot;
  private following: Promise<void> | undefined;
  private known: KnownPoint | undefined;
  /** Ends the present round, for a new look. */
  private interrupt: () => void = () => undefined;

  constructor(private readonly options: StoreMirrorOptions) {
    this.present = emptySnapshot(options.mesh, 0n);
    this.known = options.known;
  }

  get snapshot(): MeshSnapshot {
    return this.present;
  }

  /** How far the store has been followed; undefined before the first read. */
  get point(): KnownPoint | undefined {
    if (this.known === undefined || this.present.revision === 0n) return this.known;
    return pointOf(this.present, this.known, this.options.keys);
  }

  /** Of the last acceptance of the store that this mirror goes by; 0: there was none. */
  get epoch(): number {
    return this.known?.epoch ?? 0;
  }

  onChange(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Reads the store, or takes what was just read; throws what reading and decoding throw. Then follows it until `signal` is
   * aborted, or looks at it again and again where it is in doubt.
   */
  async start(signal: AbortSignal, read?: StoreRead): Promise<void> {
    const trusted = this.take(read ?? (await this.readStore(signal)));
    this.following = this.follow(signal, trusted);
  }

  /** Resolves once following has ended. */
  async stopped(): Promise<void> {
    await this.following;
  }

  /** The store may hold another history, or a store in doubt may have been accepted: looks at once. */
  lookAgain(): void {
    this.interrupt();
  }

  /**
   * Resolves once the snapshot has everything up to `revision`, or after `boundMs`; then false. Only revisions that wrote
   * something of this mesh are sure to come.
   */
  async reached(revision: Revision, signal: AbortSignal, boundMs: number): Promise<boolean> {
    const check = (): true | undefined => (this.present.revision >= revision ? true : undefined);
    return (await waitUntil([this], check, { clock: this.options.clock, signal, boundMs })) === true;
  }

  /** Brings the snapshot up to the last change of `key`, if the store answers: what others have just written is in it then. */
  async catchUp(key: string, signal: AbortSignal, boundMs: number): Promise<void> {
    const now = await this.options.store.range({ key }, { signal }).catch(() => undefined);
    const [entry] = now?.entries ?? [];
    if (entry !== undefined) await this.reached(entry.modRevision, signal, boundMs);
  }

  private async follow(signal: AbortSignal, trusted: boolean): Promise<void> {
    const { onFailed, onTrouble, store } = this.options;
    let intact = trusted;
    while (!signal.aborted) {
      const round = new LinkedAbort(signal);
      this.interrupt = () => round.abort();
      try {
        if (this.options.trust.doubt !== undefined) {
          await pause(this.options.clock, DOUBT_LOOK_MS, round.signal);
          await store.reopen(signal);
        }
        if (!intact) intact = this.take(await this.readStore(signal));
        if (intact) await this.watch(round.signal);
        intact = false;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof NewerStoreError || error instanceof CorruptValueError) return onFailed(error);
        intact = false;
        if (this.options.trust.doubt === undefined) onTrouble(error);
        if (error instanceof HistoryReplacedError) await store.reopen(signal).catch(onTrouble);
        else if (!(error instanceof CompactedError)) await pause(this.options.clock, RETRY_MS, round.signal);
      } finally {
        round.unlink();
      }
    }
  }

  private async watch(signal: AbortSignal): Promise<void> {
    const { store, keys } = this.options;
    for await (const batch of store.watch({ prefix: keys.prefix }, this.present.revision + 1n, signal)) {
      this.advance(batch.events, batch.revision);
    }
  }

  private readStore(signal: AbortSignal): Promise<StoreRead> {
    return readMesh(this.options.store, this.options.keys, signal);
  }

  /** Makes the snapshot what was read, unless that is in doubt; answers whether it did. */
  private take(read: StoreRead): boolean {
    const { trust, keys } = this.options;
    const seen = this.present.revision === 0n ? undefined : this.present;
    if (!trust.mayTake(read, this.point, seen)) return false;
    const { clusterId, revision } = read;
    const epoch = epochIn(read, keys);
    // Of an accepted history nothing is known, not even where a revision is the same.
    const replaced = this.known !== undefined && (epoch > this.known.epoch || revision < this.present.revision);
    this.known = { meshId: this.present.mesh.id, clusterId, revision, epoch };
    this.bindTo(read);
    this.advance(differences(this.present, read.entries, keys, replaced), revision);
    trust.taken();
    return true;
  }

  private bindTo({ entries }: StoreRead): void {
    const { store, keys } = this.options;
    const mesh = entries.find(({ key }) => key === keys.mesh());
    if (mesh !== undefined) store.bind(mesh.key, mesh.createRevision);
  }

  private advance(events: readonly WatchEvent[], revision: Revision): void {
    this.refuseOtherMesh(events);
    const { snapshot, change } = applyEvents(this.present, events, revision, this.options.keys);
    this.present = snapshot;
    for (const listener of [...this.listeners]) listener(snapshot, change);
  }

  /** A mesh never changes its id: with another one, the store was replaced under us. */
  private refuseOtherMesh(events: readonly WatchEvent[]): void {
    const { keys, mesh } = this.options;
    for (const event of events) {
      if (event.kind !== 'put' || event.entry.key !== keys.mesh()) continue;
      const found = meshFormat.decode(event.entry.value, event.entry.key);
      if (found.id !== mesh.id) {
        throw new CorruptValueError(`the store is of another mesh (${found.id}) than at the start (${mesh.id})`);
      }
    }
  }
}
