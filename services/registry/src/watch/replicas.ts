import { versionId, type VersionId, type WorkerId } from '@bms/contracts';
import type { ReplicaRecord, VersionRecord, WorkerRecord } from '../records/values';
import { holdersOf, type MeshSnapshot } from './mesh-snapshot';

/** One version on one worker, from what is desired and what is reported. */
export interface Replica {
  readonly workerId: WorkerId;
  /** The live worker; undefined when its lease is gone. */
  readonly worker: WorkerRecord | undefined;
  /** `serving`: to be held; `retiring`: on its way out, not in the routes any more; `none`: the worker finishes it off. */
  readonly desired: 'serving' | 'retiring' | 'none';
  /** What the present incarnation says; undefined: nothing yet. */
  readonly status: ReplicaRecord | undefined;
}

/** All replicas of a version, in the order of the workers' ids. */
export function replicasOf(snapshot: MeshSnapshot, version: VersionId): readonly Replica[] {
  return holdersOf(snapshot, version).map((entry) => {
    const desired = entry.desiredVersions.get(version);
    return {
      workerId: entry.id,
      worker: entry.worker?.record,
      desired: desired === undefined ? 'none' : desired.retiredAtMs === undefined ? 'serving' : 'retiring',
      status: entry.replicas.get(version),
    };
  });
}

/** Whether routers may send to it: to be held, ready by the worker's own word, and the worker is alive and stays. */
export function isRoutable(replica: Replica): boolean {
  return isPlaced(replica) && replica.status?.state === 'ready';
}

/** Whether it is meant to become or stay ready: to be held by a worker that is alive and stays. */
export function isPlaced(replica: Replica): boolean {
  return replica.desired === 'serving' && replica.worker !== undefined && !replica.worker.draining;
}

export function idOf(version: VersionRecord): VersionId {
  return versionId(version.tenant, version.model, version.version);
}
