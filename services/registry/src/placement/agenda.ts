import { versionId, type VersionId, type WorkerId } from '@bms/contracts';
import type { MeshSnapshot, WorkerEntry } from '../watch/mesh-snapshot';
import type { SnapshotChange } from '../watch/snapshot-reducer';

/** What an event means for the agenda: `soon` there is something to look at, `later` something may have become possible, or nothing. */
export type Urgency = 'soon' | 'later' | 'none';

/**
 * Which versions placement has to look at. Most changes concern a few of them; a worker that comes or goes concerns all.
 */
export class Agenda {
  private readonly dirty = new Set<VersionId>();
  /** Looked at, and held by fewer workers than wanted: more free memory would help. */
  private readonly short = new Set<VersionId>();
  /** Looked at, and waiting for the routers to let go of them. */
  private readonly retiring = new Set<VersionId>();
  private readonly fleetMarks = new Map<WorkerId, string>();
  /** Something concerns all versions, and they are not put down yet. */
  private everything = false;

  /** Whether there is something left to look at. */
  get open(): boolean {
    return this.everything || this.dirty.size > 0;
  }

  /** In the order in which they became dirty; may be changed while it is read. */
  get versions(): ReadonlySet<VersionId> {
    return this.dirty;
  }

  all(snapshot: MeshSnapshot): void {
    for (const entry of snapshot.workers.values()) this.fleetMarks.set(entry.id, fleetMark(entry));
    this.everything = true;
  }

  /**
   * Puts all versions down where something concerns them all. What concerns one of them by itself is put down at once;
   * hundreds of workers that come together make one look at thousands of versions, not hundreds.
   */
  begin(snapshot: MeshSnapshot): void {
    if (!this.everything) return;
    this.everything = false;
    for (const { versions } of snapshot.models.values()) {
      for (const { record } of versions.values())
        this.dirty.add(versionId(record.tenant, record.model, record.version));
    }
    for (const id of snapshot.holders.keys()) this.dirty.add(id);
  }

  changed(snapshot: MeshSnapshot, change: SnapshotChange): Urgency {
    for (const id of change.models) {
      for (const number of snapshot.models.get(id)?.versions.keys() ?? [])
        this.dirty.add(`${id}@${number}` as VersionId);
    }
    if (this.fleetChanged(snapshot, change)) {
      this.everything = true;
      return 'soon';
    }
    if (this.dirty.size > 0) return 'soon';
    if (change.workers.size === 0 || this.short.size === 0) return 'none';
    for (const id of this.short) this.dirty.add(id);
    return 'later';
  }

  /** The routers have acknowledged something, or a bound has passed. */
  acknowledged(): Urgency {
    for (const id of this.retiring) this.dirty.add(id);
    return this.retiring.size > 0 ? 'soon' : 'none';
  }

  /** Looked at, nothing to do now. */
  settle(id: VersionId, is: { readonly short: boolean; readonly retiring: boolean }): void {
    this.dirty.delete(id);
    if (is.short) this.short.add(id);
    else this.short.delete(id);
    if (is.retiring) this.retiring.add(id);
    else this.retiring.delete(id);
  }

  /** To be looked at after all others. */
  postpone(id: VersionId): void {
    this.dirty.delete(id);
    this.dirty.add(id);
  }

  /** Whether a worker came, went, began to drain or reported for the first time. */
  private fleetChanged(snapshot: MeshSnapshot, change: SnapshotChange): boolean {
    let changed = false;
    for (const id of change.workers) {
      const mark = fleetMark(snapshot.workers.get(id));
      if (this.fleetMarks.get(id) === mark) continue;
      this.fleetMarks.set(id, mark);
      changed = true;
    }
    return changed;
  }
}

function fleetMark(entry: WorkerEntry | undefined): string {
  if (entry?.worker === undefined) return 'gone';
  const { incarnation, draining } = entry.worker.record;
  return `${incarnation} ${draining ? 'draining' : 'staying'} ${entry.reported === undefined ? 'silent' : 'reporting'}`;
}
