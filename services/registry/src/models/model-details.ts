import { type modelService, models as proto, type TenantId } from '@bms/contracts';
import { placementNote } from '../placement/placement-note';
import type { PlacementView } from '../placement/placement-view';
import type { VersionRecord } from '../records/values';
import { addCalls, NO_CALLS } from '../watch/call-totals';
import type { ModelEntry } from '../watch/mesh-snapshot';
import { idOf, replicasOf, type Replica } from '../watch/replicas';
import type { MeshRouters } from '../watch/mesh-routers';
import { modelMessage, refMessage, replicaMessage, versionMessage } from './model-messages';

/** What people see of a model: its record, its versions by number, and of each which workers hold it and how often it was called. */
export function modelDetail(view: PlacementView, calls: MeshRouters, entry: ModelEntry): modelService.ModelDetail {
  const versions = [...entry.versions.values()]
    .map(({ record }) => record)
    .sort((one, other) => one.version - other.version);
  return {
    model: modelMessage(entry.model.record),
    versions: versions.map((version) => versionDetail(view, calls, version)),
  };
}

/** A tenant's models, by name. */
export function modelsOf(view: PlacementView, tenant: TenantId): readonly ModelEntry[] {
  return [...view.snapshot.models.values()]
    .filter(({ model }) => model.record.tenant === tenant)
    .sort((one, other) => (one.model.record.name < other.model.record.name ? -1 : 1));
}

function versionDetail(view: PlacementView, calls: MeshRouters, version: VersionRecord): modelService.VersionDetail {
  const byWorker = calls.callsOf(idOf(version));
  return {
    version: versionMessage(version),
    replicas: replicasOnWorkers(view, version, byWorker),
    calls: [...byWorker.values()].reduce(addCalls, NO_CALLS),
    placementNote: placementNote(view, version),
  };
}

/** The live workers that shall hold or do hold a version, each with its state there. */
export function replicasOnWorkers(
  view: PlacementView,
  version: VersionRecord,
  calls: ReadonlyMap<string, proto.CallTotals>,
): modelService.ReplicaOnWorker[] {
  return replicasOf(view.snapshot, idOf(version))
    .filter(({ worker }) => worker !== undefined)
    .map((replica) => ({
      workerId: replica.workerId,
      status: statusMessage(replica, version),
      calls: calls.get(replica.workerId) ?? NO_CALLS,
    }));
}

/** A worker that has just been told to hold a version and has not said anything of it yet is as good as loading it. */
function statusMessage({ status }: Replica, version: VersionRecord): proto.ReplicaStatus {
  if (status !== undefined) return replicaMessage(status);
  return proto.ReplicaStatus.create({ ref: refMessage(version), state: proto.ReplicaState.LOADING });
}
