import { modelId, type WorkerId } from '@bms/contracts';
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
  /** What can be: no more than there are workers. */
  readonly target: number;
  /** On live workers that stay, loading or ready. */
  readonly serving: readonly Replica[];
  readonly ready: readonly Replica[];
  /** On live workers that stay, and could not be loaded. Kept where they are, so that the reason can be seen. */
  readonly failed: readonly Replica[];
  /** Out of the routes, to be dropped. */
  readonly retiring: readonly Replica[];
  /** On workers whose lease is gone. */
  readonly absent: readonly Replica[];
}

export function assess(view: PlacementView, version: VersionRecord): Assessment {
  const replicas = replicasOf(view.snapshot, idOf(version));
  const placed = replicas.filter(isPlaced);
  const serving = placed.filter(({ status }) => status?.state !== 'failed');
  const wanted = version.config.replicas === 0 ? view.defaultReplicas : version.config.replicas;
  return {
    version,
    wanted,
    target: Math.min(wanted, view.fleet.length),
    serving,
    ready: serving.filter(({ status }) => status?.state === 'ready'),
    failed: placed.filter(({ status }) => status?.state === 'failed'),
    retiring: replicas.filter(({ desired }) => desired === 'retiring'),
    absent: replicas.filter(({ desired, worker }) => desired === 'serving' && worker === undefined),
  };
}

/** A worker that could be given one more version. */
export interface Candidate {
  readonly id: WorkerId;
  readonly host: string;
  /** Measured, less what it has been given and not loaded yet; undefined: it has not reported. */
  readonly freeBytes: number | undefined;
  readonly totalBytes: number;
  /** How many versions it shall hold. */
  readonly versions: number;
}

/** The workers of the fleet that hold the version in no way yet. */
export function candidatesFor(view: PlacementView, version: VersionRecord): Candidate[] {
  const id = idOf(version);
  const holders = new Set(
    holdersOf(view.snapshot, id).flatMap((entry) => (entry.desiredVersions.has(id) ? entry.id : [])),
  );
  return view.fleet.filter((entry) => !holders.has(entry.id)).map((entry) => candidate(view, entry));
}

interface Remembered {
  readonly measuredBytes: MeshSnapshot['measuredBytes'];
  readonly candidate: Candidate;
}

const remembered = new WeakMap<WorkerEntry, Remembered>();

/** Remembered as long as the worker's entry and the measurements, which never change but are replaced, stay the same. */
export function candidate({ snapshot }: PlacementView, entry: WorkerEntry): Candidate {
  const { measuredBytes } = snapshot;
  const known = remembered.get(entry);
  if (known?.measuredBytes === measuredBytes) return known.candidate;
  const found = candidateOf(snapshot, entry);
  remembered.set(entry, { measuredBytes, candidate: found });
  return found;
}

function candidateOf(snapshot: MeshSnapshot, entry: WorkerEntry): Candidate {
  const present = entry.reported?.record.incarnation === entry.worker?.record.incarnation;
  const memory = present ? entry.reported?.record.memory : undefined;
  return {
    id: entry.id,
    host: entry.worker?.record.host ?? '',
    freeBytes: memory === undefined ? undefined : memory.freeBytes - promisedBytes(snapshot, entry),
    totalBytes: memory?.totalBytes ?? 0,
    versions: entry.desiredVersions.size,
  };
}

export function fits({ freeBytes }: Candidate, need: MemoryNeed): boolean {
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
