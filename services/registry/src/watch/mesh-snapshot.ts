import { versionId, type ModelId, type VersionId, type WorkerId } from '@bms/contracts';
import type { LeaseId, Revision } from '@bms/metastore';
import type {
  DesiredRecord,
  DesiredVersionRecord,
  LeaderRecord,
  MeshRecord,
  ModelRecord,
  RegistryRecord,
  ReplicaRecord,
  ReportedRecord,
  VersionRecord,
  WorkerRecord,
} from '../records/values';
import { PersistentMap } from './persistent-map';

/** A record and when it last changed. */
export interface Stored<T> {
  readonly record: T;
  readonly modRevision: Revision;
}

export interface ModelEntry {
  readonly model: Stored<ModelRecord>;
  /** All that were ever registered, the deleted ones included, by number. */
  readonly versions: ReadonlyMap<number, Stored<VersionRecord>>;
}

/** What the store knows of a worker. One that has no record is gone: its lease has run out. */
export interface WorkerEntry {
  readonly id: WorkerId;
  readonly worker: Stored<WorkerRecord> | undefined;
  readonly desired: Stored<DesiredRecord> | undefined;
  readonly reported: Stored<ReportedRecord> | undefined;
  /** `desired` and the present incarnation's `reported`, by version. */
  readonly desiredVersions: ReadonlyMap<VersionId, DesiredVersionRecord>;
  readonly replicas: ReadonlyMap<VersionId, ReplicaRecord>;
}

/** Who leads, and by which making of the key: that revision fences the leader's writes. */
export interface StoredLeader extends Stored<LeaderRecord> {
  readonly createRevision: Revision;
  readonly leaseId: LeaseId;
}

/** The mesh as the store had it at one revision. Never changed, replaced as a whole. */
export interface MeshSnapshot {
  readonly revision: Revision;
  readonly mesh: MeshRecord;
  readonly models: PersistentMap<ModelId, ModelEntry>;
  readonly workers: PersistentMap<WorkerId, WorkerEntry>;
  /** Which workers shall hold or do hold a version. */
  readonly holders: PersistentMap<VersionId, readonly WorkerId[]>;
  /** The most memory that a worker measured which has the version ready now, in bytes. */
  readonly measuredBytes: PersistentMap<VersionId, number>;
  /** The registries whose lease lives, by id. The same object as before when none has come, gone or changed. */
  readonly registries: ReadonlyMap<string, Stored<RegistryRecord>>;
  /** Undefined: nobody leads now, or the store is one registry's own. */
  readonly leader: StoredLeader | undefined;
}

const NO_DESIRED: ReadonlyMap<VersionId, DesiredVersionRecord> = new Map();
const NO_REPLICAS: ReadonlyMap<VersionId, ReplicaRecord> = new Map();
const NOBODY: readonly WorkerId[] = [];

export function emptySnapshot(mesh: MeshRecord, revision: Revision): MeshSnapshot {
  return {
    revision,
    mesh,
    models: PersistentMap.empty(),
    workers: PersistentMap.empty(),
    holders: PersistentMap.empty(),
    measuredBytes: PersistentMap.empty(),
    registries: new Map(),
    leader: undefined,
  };
}

export function workerEntry(
  id: WorkerId,
  worker: Stored<WorkerRecord> | undefined,
  desired: Stored<DesiredRecord> | undefined,
  reported: Stored<ReportedRecord> | undefined,
): WorkerEntry {
  const present = worker !== undefined && reported?.record.incarnation === worker.record.incarnation;
  return {
    id,
    worker,
    desired,
    reported,
    desiredVersions: desired === undefined ? NO_DESIRED : byVersion(desired.record.versions),
    replicas: present ? byVersion(reported.record.replicas) : NO_REPLICAS,
  };
}

function byVersion<T extends { tenant: string; model: string; version: number }>(
  items: readonly T[],
): ReadonlyMap<VersionId, T> {
  return new Map(items.map((item) => [versionId(item.tenant, item.model, item.version), item]));
}

/** Every version that a worker shall hold or does hold. */
export function heldVersions(entry: WorkerEntry | undefined): ReadonlySet<VersionId> {
  return new Set([...(entry?.desiredVersions.keys() ?? []), ...(entry?.replicas.keys() ?? [])]);
}

/** The workers that shall hold or do hold a version, in the order of their ids. */
export function holdersOf(snapshot: MeshSnapshot, version: VersionId): readonly WorkerEntry[] {
  return (snapshot.holders.get(version) ?? NOBODY).flatMap((id) => snapshot.workers.get(id) ?? []);
}

export function findVersion(
  snapshot: MeshSnapshot,
  model: ModelId,
  version: number,
): Stored<VersionRecord> | undefined {
  return snapshot.models.get(model)?.versions.get(version);
}

/** `tenant/model` of `tenant/model@3`. */
export function modelOfVersion(version: VersionId): ModelId {
  return version.slice(0, version.lastIndexOf('@')) as ModelId;
}

export function numberOfVersion(version: VersionId): number {
  return Number(version.slice(version.lastIndexOf('@') + 1));
}
