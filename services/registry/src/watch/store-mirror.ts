import { CompactedError, type Entry, type MetaStore, type Revision, type WatchEvent } from '@bms/metastore';
import { pause, type Clock } from '../clock';
import type { KeyLayout } from '../records/keys';
import { CorruptValueError, NewerStoreError } from '../records/value-format';
import { meshFormat, type MeshRecord } from '../records/values';
import { waitUntil, type Changing } from './change-source';
import { emptySnapshot, type MeshSnapshot } from './mesh-snapshot';
import { applyEvents, type SnapshotChange } from './snapshot-reducer';

export interface StoreMirrorOptions {
  readonly store: MetaStore;
  readonly keys: KeyLayout;
  readonly clock: Clock;
  readonly mesh: MeshRecord;
  /** Told once when the mirror cannot go on: a newer release or somebody else writes to the store. */
  readonly onFailed: (error: Error) => void;
  /** Told about what it gets over by itself: the watch broke and the store is read again. */
  readonly onTrouble: (error: unknown) => void;
}

/** How long after a failed read or watch the next one starts. */
const RETRY_MS = 500;

type Listener = (snapshot: MeshSnapshot, change: SnapshotChange) => void;

/**
 * The mesh's records in memory: read once at one revision, then kept up by a watch from there. Everything in the
 * registry that only looks (routes, placement, lists) looks here; whoever writes reads the store itself.
 */
export class StoreMirror implements Changing {
  private readonly listeners = new Set<Listener>();
  private present: MeshSnapshot;
  private following: Promise<void> | undefined;

  constructor(private readonly options: StoreMirrorOptions) {
    this.present = emptySnapshot(options.mesh, 0n);
  }

  get snapshot(): MeshSnapshot {
    return this.present;
  }

  onChange(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Reads the store; throws what reading and decoding throw. Then follows it until `signal` is aborted. */
  async start(signal: AbortSignal): Promise<void> {
    await this.readAll(signal);
    this.following = this.follow(signal);
  }

  /** Resolves once following has ended. */
  async stopped(): Promise<void> {
    await this.following;
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

  private async follow(signal: AbortSignal): Promise<void> {
    const { store, keys, onFailed, onTrouble } = this.options;
    let intact = true;
    while (!signal.aborted) {
      try {
        if (!intact) await this.readAll(signal);
        intact = true;
        for await (const batch of store.watch({ prefix: keys.prefix }, this.present.revision + 1n, signal)) {
          this.advance(batch.events, batch.revision);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof NewerStoreError || error instanceof CorruptValueError) return onFailed(error);
        intact = false;
        onTrouble(error);
        if (!(error instanceof CompactedError)) await pause(this.options.clock, RETRY_MS, signal);
      }
    }
  }

  private async readAll(signal: AbortSignal): Promise<void> {
    const { store, keys } = this.options;
    const { entries, revision } = await store.range({ prefix: keys.prefix }, { signal });
    this.advance(differences(this.present, entries, keys), revision);
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

/** The events that turn a snapshot into what a complete read has found. */
function differences(snapshot: MeshSnapshot, entries: readonly Entry[], keys: KeyLayout): WatchEvent[] {
  const known = knownKeys(snapshot, keys);
  const events: WatchEvent[] = [];
  for (const entry of entries) {
    if (known.get(entry.key) !== entry.modRevision) events.push({ kind: 'put', entry });
    known.delete(entry.key);
  }
  for (const [key, modRevision] of known) events.push({ kind: 'delete', key, modRevision });
  return events;
}

function knownKeys(snapshot: MeshSnapshot, keys: KeyLayout): Map<string, Revision> {
  const known = new Map<string, Revision>();
  for (const { model, versions } of snapshot.models.values()) {
    const { tenant, name } = model.record;
    known.set(keys.model(tenant, name), model.modRevision);
    for (const [number, { modRevision }] of versions) known.set(keys.version(tenant, name, number), modRevision);
  }
  for (const { id, worker, desired, reported } of snapshot.workers.values()) {
    if (worker !== undefined) known.set(keys.worker(id), worker.modRevision);
    if (desired !== undefined) known.set(keys.desired(id), desired.modRevision);
    if (reported !== undefined) known.set(keys.reported(id), reported.modRevision);
  }
  return known;
}
