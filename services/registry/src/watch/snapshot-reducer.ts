import { isDeepStrictEqual } from 'node:util';
import type { ModelId, VersionId, WorkerId } from '@bms/contracts';
import type { Revision, WatchEvent } from '@bms/metastore';
import type { KeyLayout } from '../records/keys';
import {
  desiredFormat,
  leaderFormat,
  modelFormat,
  registryFormat,
  reportedFormat,
  versionFormat,
  workerFormat,
  type ModelRecord,
  type RegistryRecord,
  type VersionRecord,
} from '../records/values';
import { CorruptValueError, type ValueFormat } from '../records/value-format';
import {
  heldVersions,
  holdersOf,
  modelOfVersion,
  workerEntry,
  type MeshSnapshot,
  type ModelEntry,
  type Stored,
  type StoredLeader,
  type WorkerEntry,
} from './mesh-snapshot';

/** What differs between a snapshot and the one before. */
export interface SnapshotChange {
  /** Models with a changed record or version, or with a version whose replicas changed. */
  readonly models: ReadonlySet<ModelId>;
  /** Workers with a changed record, desired set or report. */
  readonly workers: ReadonlySet<WorkerId>;
}

interface ModelDraft {
  model: Stored<ModelRecord> | undefined;
  versions: Map<number, Stored<VersionRecord>>;
}

type WorkerDraft = Pick<WorkerEntry, 'worker' | 'desired' | 'reported'>;

/**
 * Applies what happened up to `revision` to a snapshot. Pure; throws what decoding a value throws.
 */
export function applyEvents(
  snapshot: MeshSnapshot,
  events: readonly WatchEvent[],
  revision: Revision,
  keys: KeyLayout,
): { readonly snapshot: MeshSnapshot; readonly change: SnapshotChange } {
  const models = new Map<ModelId, ModelDraft>();
  const workers = new Map<WorkerId, WorkerDraft>();
  let registries: Map<string, Stored<RegistryRecord>> | undefined;
  let { leader } = snapshot;

  for (const event of events) {
    const key = event.kind === 'put' ? event.entry.key : event.key;
    const parsed = keys.parse(key);
    switch (parsed.kind) {
      case 'model':
        draftOf(models, snapshot, parsed.model).model = decoded(modelFormat, event);
        break;
      case 'version': {
        const version = decoded(versionFormat, event);
        const { versions } = draftOf(models, snapshot, parsed.model);
        if (version === undefined) versions.delete(parsed.number);
        else versions.set(parsed.number, sharing(version, versions.get(parsed.number - 1)));
        break;
      }
      case 'worker':
        change(workers, snapshot, parsed.worker, { worker: decoded(workerFormat, event) });
        break;
      case 'desired':
        change(workers, snapshot, parsed.worker, { desired: decoded(desiredFormat, event) });
        break;
      case 'reported':
        change(workers, snapshot, parsed.worker, { reported: decoded(reportedFormat, event) });
        break;
      case 'registry': {
        const registry = decoded(registryFormat, event);
        registries ??= new Map(snapshot.registries);
        if (registry === undefined) registries.delete(parsed.registry);
        else registries.set(parsed.registry, registry);
        break;
      }
      case 'leader':
        leader = storedLeader(event);
        break;
      case 'mesh':
      case 'accepted':
      case 'other':
        break;
    }
  }
  const control = { registries: registries ?? snapshot.registries, leader };
  return assemble({ ...snapshot, ...control }, models, workers, revision);
}

function assemble(
  snapshot: MeshSnapshot,
  modelDrafts: ReadonlyMap<ModelId, ModelDraft>,
  workerDrafts: ReadonlyMap<WorkerId, WorkerDraft>,
  revision: Revision,
): { readonly snapshot: MeshSnapshot; readonly change: SnapshotChange } {
  const touchedModels = new Set(modelDrafts.keys());
  const workerChanges: [WorkerId, WorkerEntry | undefined][] = [];
  const holders = new Map<VersionId, readonly WorkerId[]>();
  const remeasured = new Set<VersionId>();

  for (const [id, draft] of workerDrafts) {
    const before = snapshot.workers.get(id);
    const known = draft.worker ?? draft.desired ?? draft.reported;
    const after = known === undefined ? undefined : workerEntry(id, draft.worker, draft.desired, draft.reported);
    workerChanges.push([id, after]);
    const held = { before: heldVersions(before), after: heldVersions(after) };
    for (const version of new Set([...held.before, ...held.after])) {
      if (!sameReplica(before, after, version)) touchedModels.add(modelOfVersion(version));
      if (measuredOn(before, version) !== measuredOn(after, version)) remeasured.add(version);
      if (held.before.has(version) === held.after.has(version)) continue;
      const others = (holders.get(version) ?? snapshot.holders.get(version) ?? []).filter((other) => other !== id);
      holders.set(version, held.after.has(version) ? [...others, id].sort() : others);
    }
  }

  const next: MeshSnapshot = {
    ...snapshot,
    revision,
    models: snapshot.models.with([...modelDrafts].map(([id, draft]) => [id, modelEntry(id, draft)] as const)),
    workers: snapshot.workers.with(workerChanges),
    holders: snapshot.holders.with([...holders].map(([id, ids]) => [id, ids.length === 0 ? undefined : ids] as const)),
  };
  return {
    snapshot: {
      ...next,
      measuredBytes: next.measuredBytes.with([...remeasured].map((id) => [id, measured(next, id)] as const)),
    },
    change: { models: touchedModels, workers: new Set(workerDrafts.keys()) },
  };
}

function measured(snapshot: MeshSnapshot, version: VersionId): number | undefined {
  const figures = holdersOf(snapshot, version).flatMap((entry) => measuredOn(entry, version) ?? []);
  return figures.length === 0 ? undefined : Math.max(...figures);
}

function measuredOn(entry: WorkerEntry | undefined, version: VersionId): number | undefined {
  const replica = entry?.replicas.get(version);
  return replica?.state === 'ready' ? replica.memoryBytes : undefined;
}

function draftOf(drafts: Map<ModelId, ModelDraft>, snapshot: MeshSnapshot, id: ModelId): ModelDraft {
  let draft = drafts.get(id);
  if (draft === undefined) {
    const entry = snapshot.models.get(id);
    draft = { model: entry?.model, versions: new Map(entry?.versions) };
    drafts.set(id, draft);
  }
  return draft;
}

function change(
  drafts: Map<WorkerId, WorkerDraft>,
  snapshot: MeshSnapshot,
  id: WorkerId,
  changed: Partial<WorkerDraft>,
): void {
  const { worker, desired, reported } = drafts.get(id) ?? snapshot.workers.get(id) ?? {};
  drafts.set(id, { worker, desired, reported, ...changed });
}

function modelEntry(id: ModelId, draft: ModelDraft): ModelEntry | undefined {
  if (draft.model !== undefined) return { model: draft.model, versions: draft.versions };
  if (draft.versions.size === 0) return undefined;
  throw new CorruptValueError(`the store has versions of ${id}, but not the model itself`);
}

function decoded<T>(format: ValueFormat<T>, event: WatchEvent): Stored<T> | undefined {
  if (event.kind === 'delete') return undefined;
  const { entry } = event;
  return { record: format.decode(entry.value, entry.key), modRevision: entry.modRevision };
}

function storedLeader(event: WatchEvent): StoredLeader | undefined {
  const stored = decoded(leaderFormat, event);
  if (stored === undefined || event.kind === 'delete') return undefined;
  const { createRevision, leaseId } = event.entry;
  return { ...stored, createRevision, leaseId };
}

/** Versions of a model mostly have one signature, the largest part of their records: then they share it in memory. */
function sharing(version: Stored<VersionRecord>, before: Stored<VersionRecord> | undefined): Stored<VersionRecord> {
  const { record, modRevision } = version;
  const same = before !== undefined && isDeepStrictEqual(before.record.signature, record.signature);
  return same ? { record: { ...record, signature: before.record.signature }, modRevision } : version;
}

/** Whether all that routes and readiness take from a worker is the same for one version. */
function sameReplica(before: WorkerEntry | undefined, after: WorkerEntry | undefined, version: VersionId): boolean {
  const one = before?.worker?.record;
  const other = after?.worker?.record;
  const replica = before?.replicas.get(version);
  const now = after?.replicas.get(version);
  return (
    (one === undefined) === (other === undefined) &&
    one?.draining === other?.draining &&
    one?.incarnation === other?.incarnation &&
    before?.desiredVersions.has(version) === after?.desiredVersions.has(version) &&
    before?.desiredVersions.get(version)?.retiredAtMs === after?.desiredVersions.get(version)?.retiredAtMs &&
    replica?.state === now?.state &&
    replica?.reason === now?.reason
  );
}
