import { BmsError, Reason, versionId, type VersionId } from '@bms/contracts';
import type { Revision } from '@bms/metastore';
import type { KeyLayout } from '../records/keys';
import { ChangeSource, type Changing } from '../watch/change-source';
import type { MeshSnapshot } from '../watch/mesh-snapshot';
import type { KnownPoint } from './known-point';
import { epochIn, meshIdIn, type StoreRead } from './store-read';

/** Why the store is not followed now. */
export interface StoreDoubt {
  /** One sentence. */
  readonly reason: string;
  readonly known: KnownPoint;
  readonly found: { readonly clusterId: string; readonly revision: Revision };
  /** Of the mesh that the store found is of; undefined: it has none. */
  readonly foundMeshId: string | undefined;
  readonly foundEpoch: number;
  readonly sinceMs: number;
  /** What the mesh has and the store found has not; not told where this registry never saw the mesh itself. */
  readonly missingVersions: readonly VersionId[];
}

/** How many missing versions are named. */
const MISSING_MAX = 100;

/**
 * Whether the store is the one that the mesh has followed. Models and versions are never deleted from it and revisions only
 * grow, so a complete read that is of another cluster, is behind what was known, or has lost or older records, is of another
 * history: the store was wiped or restored. Then it is in doubt: nothing is written, nothing that is served is dropped, until a
 * read fits what is known again, or carries a newer acceptance.
 */
export class StoreTrust implements Changing {
  private readonly changes = new ChangeSource();
  private present: StoreDoubt | undefined;

  constructor(
    private readonly keys: KeyLayout,
    private readonly nowMs: () => number,
  ) {}

  /** Undefined: the store is trusted. */
  get doubt(): StoreDoubt | undefined {
    return this.present;
  }

  onChange(listener: () => void): () => void {
    return this.changes.onChange(listener);
  }

  /**
   * Looks at a complete read; answers whether it may be taken, and is in doubt if not. Throws what decoding the mesh's own
   * records throws.
   */
  mayTake(read: StoreRead, known: KnownPoint | undefined, snapshot: MeshSnapshot | undefined): boolean {
    const { keys } = this;
    const [foundMeshId, foundEpoch] = [meshIdIn(read, keys), epochIn(read, keys)];
    const accepted = known !== undefined && foundEpoch > known.epoch && foundMeshId === known.meshId;
    const missing = snapshot === undefined ? NOTHING_MISSING : missingFrom(snapshot, read, keys);
    const reason =
      known === undefined || accepted ? undefined : reasonFor(read, known, { foundMeshId, foundEpoch, missing });
    if (known === undefined || reason === undefined) return true;
    const { clusterId, revision } = read;
    this.set({
      reason,
      known,
      found: { clusterId, revision },
      foundMeshId,
      foundEpoch,
      sinceMs: this.present?.sinceMs ?? this.nowMs(),
      missingVersions: missing.versions.slice(0, MISSING_MAX),
    });
    return false;
  }

  /** A read that may be taken has been taken: whoever waited for it goes on by what it says. */
  taken(): void {
    this.set(undefined);
  }

  /** For those who must not act meanwhile. */
  refusal(): BmsError | undefined {
    return this.present === undefined ? undefined : inDoubt(this.present.reason);
  }

  private set(doubt: StoreDoubt | undefined): void {
    const changed = (this.present === undefined) !== (doubt === undefined);
    this.present = doubt;
    if (changed) this.changes.announce();
  }
}

export function inDoubt(reason: string): BmsError {
  return new BmsError(
    Reason.STORE_IN_DOUBT,
    `${reason}: nothing is changed until the right data is back, or "bms store accept" takes this store as it is`,
  );
}

interface Missing {
  readonly versions: readonly VersionId[];
  /** Records that are missing or older than known. */
  readonly records: number;
}

const NOTHING_MISSING: Missing = { versions: [], records: 0 };

function missingFrom(snapshot: MeshSnapshot, { entries }: StoreRead, keys: KeyLayout): Missing {
  const found = new Map(entries.map(({ key, modRevision }) => [key, modRevision]));
  const lost = (key: string, modRevision: Revision): boolean => (found.get(key) ?? -1n) < modRevision;
  const versions: VersionId[] = [];
  let records = 0;
  for (const entry of snapshot.models.values()) {
    const { tenant, name } = entry.model.record;
    if (lost(keys.model(tenant, name), entry.model.modRevision)) records++;
    for (const [number, { modRevision, record }] of entry.versions) {
      const key = keys.version(tenant, name, number);
      if (lost(key, modRevision)) records++;
      if (!found.has(key) && record.state !== 'deleted') versions.push(versionId(tenant, name, number));
    }
  }
  return { versions, records };
}

function reasonFor(
  read: StoreRead,
  known: KnownPoint,
  {
    foundMeshId,
    foundEpoch,
    missing: { records },
  }: { readonly foundMeshId: string | undefined; readonly foundEpoch: number; readonly missing: Missing },
): string | undefined {
  const { clusterId, revision, entries } = read;
  if (foundMeshId === undefined) {
    return `the store is empty, and had come to revision ${known.revision} of the mesh ${known.meshId}: it was wiped`;
  }
  if (foundMeshId !== known.meshId) return `the store holds the mesh ${foundMeshId}, and not ${known.meshId}`;
  if (foundEpoch < known.epoch) {
    return `the store is from before another one was accepted in its place (epoch ${foundEpoch}, and not ${known.epoch})`;
  }
  if (clusterId !== known.clusterId) {
    return `the store holds the data of cluster ${clusterId}, and not of ${known.clusterId}: it is another one, or was restored`;
  }
  if (revision < known.revision) {
    return `the store has gone back to revision ${revision}, and had come to ${known.revision}: it was restored to an earlier time`;
  }
  const { witness } = known;
  const witnessed =
    witness === undefined ||
    entries.some(({ key, modRevision }) => key === witness.key && modRevision >= witness.modRevision);
  if (records > 0 || !witnessed) {
    const what = records > 0 ? `${records} records of models and versions` : `the last change of ${known.witness?.key}`;
    return `the store lacks ${what} that it had: it was restored to an earlier time`;
  }
  return undefined;
}
