import { deviceFit, modelId, type DeviceFit, type WorkerId } from '@bms/contracts';
import type { Revision } from '@bms/metastore';
import type { VersionRecord } from '../records/values';
import { findVersion, holdersOf, type MeshSnapshot, type WorkerEntry } from '../watch/mesh-snapshot';
import { idOf, isPlaced, replicasOf, type Replica } from '../watch/replicas';
import { memoryNeed, type MemoryNeed } from './memory-estimate';

/** All that placement looks at. */
export interface PlacementView {
  readonly snapshot: MeshSnapshot;
  /** On how many workers a version is held that does not say. */
  readonly defaultReplicas: number;
  /** Every connected router routes by at least this revision. */
  readonly acknowledgedRevision: Revision;
  readonly nowMs: number;
  /**
   * The registry has just started: workers that are gone are probably about to attach again, so what they shall hold is
   * not given to others yet.
   */
  readonly settling: boolean;
  /** Workers that may be given versions: alive, not draining. In the order of their ids. */
  readonly fleet: readonly WorkerEntry[];
}

export function placementView(fields: Omit<PlacementView, 'fleet'>): PlacementView {
  const fleet = [...fields.snapshot.workers.values()]
    .filter(({ worker }) => worker !== undefined && !worker.record.draining)
    .sort((one, other) => (one.id < other.id ? -1 : 1));
  return { ...fields, fleet };
}

/** How a published version stands. */
export interface Assessment {
  readonly version: VersionRecord;
  /** What its config or the mesh says. */
  readonly wanted: number;
  /** What can be: no more than there are workers that may hold it. */
  readonly target: number;
  /** What can be on the devices that it wishes for. The rest of `target` is left to its fallback. */
  readonly wishedTarget: number;
  /** On live workers that stay and may hold it, loading or ready. */
  readonly serving: readonly Replica[];
  /** Those of `serving` that are on a wished device; the others stand in for one. */
  readonly wished: readonly Replica[];
  readonly ready: readonly Replica[];
  /** On live workers that stay, and could not be loaded. Kept where they are, so that the reason can be seen. */
  readonly failed: readonly Replica[];
  /** On live workers whose device it must not run on: a worker may come back with another one. */
  readonly misplaced: readonly Replica[];
  /** Out of the routes, to be dropped. */
  readonly retiring: readonly Replica[];
  /** On workers whose lease is gone. */
  readonly absent: readonly Replica[];
}

export function assess(view: PlacementView, version: VersionRecord): Assessment {
  const replicas = replicasOf(view.snapshot, idOf(version));
  const placed = replicas.filter((replica) => isPlaced(replica) && fitOf(replica, version) !== 'unfit');
  const serving = placed.filter(({ status }) => status?.state !== 'failed');
  const wanted = version.config.replicas === 0 ? view.defaultReplicas : version.config.replicas;
  const { wished, fallback } = suitableFleet(view, version);
  return {
    version,
    wanted,
    target: Math.min(wanted, wished.length + fallback.length),
    wishedTarget: Math.min(wanted, wished.length),
    serving,
    wished: serving.filter((replica) => fitOf(replica, version) === 'wished'),
    ready: serving.filter(({ status }) => status?.state === 'ready'),
    failed: placed.filter(({ status }) => status?.state === 'failed'),
    misplaced: replicas.filter((replica) => isPlaced(replica) && fitOf(replica, version) === 'unfit'),
    retiring: replicas.filter(({ desired }) => desired === 'retiring'),
    absent: replicas.filter(({ desired, worker }) => desired === 'serving' && worker === undefined),
  };
}

/** How well the replica's worker suits the version; `unfit` where the worker is gone. */
export function fitOf({ worker }: Replica, { config }: VersionRecord): DeviceFit {
  return worker === undefined ? 'unfit' : deviceFit(config, worker.device);
}

/** The workers of the fleet that may hold a version, by how well their devices suit it. */
export interface SuitableFleet {
  readonly wished: readonly WorkerEntry[];
  readonly fallback: readonly WorkerEntry[];
}

const suitable = new WeakMap<readonly WorkerEntry[], Map<string, SuitableFleet>>();

/** Worked out once for each wish, not for each version. */
export function suitableFleet({ fleet }: PlacementView, { config }: VersionRecord): SuitableFleet {
  if (config.device === '') return { wished: fleet, fallback: [] };
  const byWish = suitable.get(fleet) ?? new Map<string, SuitableFleet>();
  suitable.set(fleet, byWish);
  const wish = `${config.device} ${config.fallback}`;
  let found = byWish.get(wish);
  if (found === undefined) {
    const having = (fit: DeviceFit): readonly WorkerEntry[] =>
      fleet.filter(({ worker }) => worker !== undefined && deviceFit(config, worker.record.device) === fit);
    byWish.set(wish, (found = { wished: having('wished'), fallback: having('fallback') }));
  }
  return found;
}

/** A worker that could be given one more version. */
export interface Candidate {
  readonly id: WorkerId;
  readonly host: string;
  readonly fit: DeviceFit;
  /** Measured, less what it has been given and not loaded yet; undefined: it has not reported. */
  readonly freeBytes: number | undefined;
  readonly totalBytes: number;
  /** Whether these are of the memory of its device, not of its process. */
  readonly ofDevice: boolean;
  /** How many versions it shall hold. */
  readonly versions: number;
}

/** The workers that may hold the version and do so in no way yet, those with a wished device first. */
export function candidatesFor(view: PlacementView, version: VersionRecord): Candidate[] {
  const id = idOf(version);
  const holders = new Set(
    holdersOf(view.snapshot, id).flatMap((entry) => (entry.desiredVersions.has(id) ? entry.id : [])),
  );
  const { wished, fallback } = suitableFleet(view, version);
  const free = (entries: readonly WorkerEntry[], fit: DeviceFit): Candidate[] =>
    entries.filter((entry) => !holders.has(entry.id)).map((entry) => ({ ...workerRoom(view, entry), fit }));
  return [...free(wished, 'wished'), ...free(fallback, 'fallback')];
}

/** What room a worker has, whatever for. */
export type WorkerRoom = Omit<Candidate, 'fit'>;

interface Remembered {
  readonly measuredBytes: MeshSnapshot['measuredBytes'];
  readonly room: WorkerRoom;
}

const remembered = new WeakMap<WorkerEntry, Remembered>();

/** Remembered as long as the worker's entry and the measurements, which never change but are replaced, stay the same. */
export function workerRoom({ snapshot }: PlacementView, entry: WorkerEntry): WorkerRoom {
  const { measuredBytes } = snapshot;
  const known = remembered.get(entry);
  if (known?.measuredBytes === measuredBytes) return known.room;
  const room = roomOf(snapshot, entry);
  remembered.set(entry, { measuredBytes, room });
  return room;
}

function roomOf(snapshot: MeshSnapshot, entry: WorkerEntry): WorkerRoom {
  const present = entry.reported?.record.incarnation === entry.worker?.record.incarnation;
  const report = present ? entry.reported?.record : undefined;
  // What a device with memory of its own has is what counts there; where nobody can measure that, the process's memory.
  const device = entry.worker?.record.device.kind === 'gpu' ? report?.device : undefined;
  const memory = device
    ? { freeBytes: device.memoryFreeBytes, totalBytes: device.memoryTotalBytes }
    : report && { freeBytes: report.memory.freeBytes, totalBytes: report.memory.totalBytes };
  return {
    id: entry.id,
    host: entry.worker?.record.host ?? '',
    freeBytes: memory && memory.freeBytes - promisedBytes(snapshot, entry),
    totalBytes: memory?.totalBytes ?? 0,
    ofDevice: device !== undefined,
    versions: entry.desiredVersions.size,
  };
}

export function fits({ freeBytes }: WorkerRoom, need: MemoryNeed): boolean {
  return freeBytes !== undefined && freeBytes >= need.bytes;
}

/** What the versions need that a worker has been given and that its measured memory does not show yet. */
function promisedBytes(snapshot: MeshSnapshot, entry: WorkerEntry): number {
  let bytes = 0;
  for (const [id, { tenant, model, version }] of entry.desiredVersions) {
    const state = entry.replicas.get(id)?.state;
    if (state !== undefined && state !== 'loading') continue;
    const found = findVersion(snapshot, modelId(tenant, model), version);
    if (found !== undefined) bytes += memoryNeed(snapshot, found.record).bytes;
  }
  return bytes;
}
