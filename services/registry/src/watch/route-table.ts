import { isDeepStrictEqual } from 'node:util';
import { versionId, type ModelId, type models, type routeService, type WorkerId } from '@bms/contracts';
import type { Revision } from '@bms/metastore';
import { signatureMessage, stateMessage } from '../models/model-messages';
import type { SignatureRecord, VersionRecord, WorkerRecord } from '../records/values';
import type { MeshSnapshot, ModelEntry } from './mesh-snapshot';
import { PersistentMap } from './persistent-map';
import { isPlaced, isRoutable, replicasOf, type Replica } from './replicas';
import type { SnapshotChange } from './snapshot-reducer';

/** What routers route by, at one revision of the store. */
export interface RouteTable {
  readonly revision: Revision;
  /** The last revision that changed a route: a router that uses it is up to date, however far the store has moved on. */
  readonly changedRevision: Revision;
  readonly models: PersistentMap<ModelId, routeService.ModelRoute>;
  readonly workers: PersistentMap<WorkerId, routeService.WorkerRoute>;
}

export const EMPTY_ROUTE_TABLE: RouteTable = {
  revision: 0n,
  changedRevision: 0n,
  models: PersistentMap.empty(),
  workers: PersistentMap.empty(),
};

/** The routes after a change of the snapshot. Only what the change names is made anew; what comes out the same stays the same object. */
export function nextRouteTable(table: RouteTable, snapshot: MeshSnapshot, change: SnapshotChange): RouteTable {
  const models = table.models.with(
    [...change.models].map((id) => {
      const entry = snapshot.models.get(id);
      const route = entry === undefined ? undefined : modelRoute(snapshot, entry);
      return [id, keepIfSame(table.models.get(id), route)] as const;
    }),
  );
  const workers = table.workers.with(
    [...change.workers].map((id) => {
      const worker = snapshot.workers.get(id)?.worker?.record;
      const route = worker === undefined ? undefined : workerRoute(worker);
      return [id, keepIfSame(table.workers.get(id), route)] as const;
    }),
  );
  const { revision } = snapshot;
  // Revisions go back only where another history of the store has been accepted: it counts from there.
  const changed = models !== table.models || workers !== table.workers || revision < table.revision;
  return { revision, changedRevision: changed ? revision : table.changedRevision, models, workers };
}

export function routeSnapshot(table: RouteTable, meshId: string, epoch: bigint): routeService.WatchRoutesResponse {
  const value: routeService.RouteSnapshot = {
    meshId,
    epoch,
    revision: table.revision,
    models: [...table.models.values()],
    workers: [...table.workers.values()],
  };
  return { kind: { $case: 'snapshot', value } };
}

/** What a router that has `from` needs to have `to`. */
export function routeDelta(from: RouteTable, to: RouteTable): routeService.WatchRoutesResponse {
  const delta: routeService.RouteDelta = {
    revision: to.revision,
    models: [],
    removedModels: [],
    workers: [],
    removedWorkers: [],
  };
  for (const [id, route] of to.models.changesFrom(from.models)) {
    if (route !== undefined) delta.models.push(route);
    else delta.removedModels.push(modelKey(id));
  }
  for (const [id, route] of to.workers.changesFrom(from.workers)) {
    if (route !== undefined) delta.workers.push(route);
    else delta.removedWorkers.push(id);
  }
  return { kind: { $case: 'delta', value: delta } };
}

// Literals, not `create`: that copies what it is given, and with it the signatures that versions share.

function modelRoute(snapshot: MeshSnapshot, entry: ModelEntry): routeService.ModelRoute {
  const { record } = entry.model;
  const versions = [...entry.versions.values()]
    .map((version) => version.record)
    .filter((version) => version.state !== 'deleted')
    .sort((one, other) => one.version - other.version);
  return {
    tenant: record.tenant,
    model: record.name,
    activeVersion: BigInt(record.activeVersion),
    labels: Object.fromEntries(
      Object.keys(record.labels)
        .sort()
        .map((label) => [label, BigInt(record.labels[label] ?? 0)]),
    ),
    versions: versions.map((version) => versionRoute(snapshot, version)),
  };
}

function versionRoute(snapshot: MeshSnapshot, version: VersionRecord): routeService.VersionRoute {
  const published = version.state === 'published';
  const replicas = published ? replicasOf(snapshot, versionId(version.tenant, version.model, version.version)) : [];
  const readyWorkers = replicas.filter(isRoutable).map((replica) => replica.workerId);
  return {
    version: BigInt(version.version),
    state: stateMessage(version.state),
    signature: sharedSignature(version.signature),
    readyWorkers,
    notReadyReason: published && readyWorkers.length === 0 ? notReadyReason(replicas) : '',
  };
}

const signatures = new WeakMap<SignatureRecord, models.Signature>();

/** Made once for all versions that share a record of it. */
function sharedSignature(record: SignatureRecord): models.Signature {
  let message = signatures.get(record);
  if (message === undefined) signatures.set(record, (message = signatureMessage(record)));
  return message;
}

/** For callers: says what is going on, names no worker. */
function notReadyReason(replicas: readonly Replica[]): string {
  const placed = replicas.filter(isPlaced);
  if (placed.length === 0) return 'no worker has been found for it yet';
  const loading = placed.filter((replica) => replica.status?.state !== 'failed');
  if (loading.length > 0)
    return `it is being loaded by ${loading.length === 1 ? 'a worker' : `${loading.length} workers`}`;
  return `it could not be loaded: ${placed[0]?.status?.reason ?? 'the worker gave no reason'}`;
}

function workerRoute(worker: WorkerRecord): routeService.WorkerRoute {
  return {
    workerId: worker.id,
    incarnation: worker.incarnation,
    address: worker.address,
    provider: worker.device.provider,
  };
}

function modelKey(id: ModelId): routeService.ModelKey {
  const slash = id.indexOf('/');
  return { tenant: id.slice(0, slash), model: id.slice(slash + 1) };
}

function keepIfSame<T>(before: T | undefined, after: T | undefined): T | undefined {
  return isDeepStrictEqual(before, after) ? before : after;
}
