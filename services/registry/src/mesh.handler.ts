import { meshService, versionId, workerService, type TenantId, type VersionId } from '@bms/contracts';
import { implement, type Routes } from '@bms/transport';
import { labelsOf } from './models/model-changes';
import { refMessage, replicaMessage, stateMessage } from './models/model-messages';
import { modelsOf } from './models/model-details';
import type { ReadinessWatch } from './models/readiness-watch';
import { placementNote } from './placement/placement-note';
import { assess, type PlacementView } from './placement/placement-view';
import { registryStatuses, storeStatus, type ControlPlaneStatusOptions } from './mesh-status';
import { principalOf, tenantField } from './request-fields';
import type { StoreAcceptance } from './store/accept-store';
import { addCalls, NO_CALLS } from './watch/call-totals';
import type { MeshSnapshot, ModelEntry, WorkerEntry } from './watch/mesh-snapshot';
import { isRoutable, replicasOf } from './watch/replicas';
import type { KnownRouter, MeshRouters } from './watch/mesh-routers';

const { CPU, GPU } = workerService.DeviceKind;

export interface MeshHandlerOptions extends ControlPlaneStatusOptions {
  readonly readiness: ReadinessWatch;
  readonly routers: MeshRouters;
  readonly acceptance: StoreAcceptance;
}

/** MeshService: the state of the whole mesh. */
export function meshHandler(options: MeshHandlerOptions): Routes {
  const { readiness, routers, acceptance, store } = options;
  return implement(meshService.MeshServiceDefinition, {
    acceptStore: async (request, call) => {
      await acceptance.accept(request, principalOf(call), call.signal);
      return {};
    },
    getMeshStatus: async (request) => {
      const tenant = tenantField(request.tenant);
      const view = readiness.view();
      const { snapshot } = view;
      return {
        meshId: snapshot.mesh.id,
        revision: snapshot.revision,
        store: store.kind,
        workers: workerStatuses(snapshot, tenant),
        routers: routers.list().map(routerStatus),
        registries: registryStatuses(snapshot, options),
        storeStatus: storeStatus(snapshot, options),
        versions: modelsOf(view, tenant).flatMap((entry) => versionStatuses(view, routers, entry)),
      };
    },
  });
}

function workerStatuses(snapshot: MeshSnapshot, tenant: TenantId): meshService.WorkerStatus[] {
  return [...snapshot.workers.values()]
    .sort((one, other) => (one.id < other.id ? -1 : 1))
    .flatMap((entry) => workerStatus(entry, tenant) ?? []);
}

function workerStatus(
  { worker, desired, reported, replicas }: WorkerEntry,
  tenant: TenantId,
): meshService.WorkerStatus | undefined {
  if (worker === undefined) return undefined;
  const { record } = worker;
  const present = reported?.record.incarnation === record.incarnation ? reported.record : undefined;
  return {
    workerId: record.id,
    incarnation: record.incarnation,
    address: record.address,
    operationsAddress: record.operationsAddress,
    host: record.host,
    pid: BigInt(record.pid),
    device: {
      ...record.device,
      kind: record.device.kind === 'gpu' ? GPU : CPU,
      memoryBytes: BigInt(record.device.memoryBytes),
    },
    registryId: record.registry,
    deviceFailure: present?.deviceFailure ?? '',
    deviceUse: present?.device && {
      memoryTotalBytes: BigInt(present.device.memoryTotalBytes),
      memoryFreeBytes: BigInt(present.device.memoryFreeBytes),
      busyPercent: present.device.busyPercent,
    },
    memory: present && {
      totalBytes: BigInt(present.memory.totalBytes),
      freeBytes: BigInt(present.memory.freeBytes),
      residentBytes: BigInt(present.memory.residentBytes),
    },
    attached: record.attached,
    draining: record.draining,
    startedAtMs: BigInt(record.startedAtMs),
    desiredGeneration: BigInt(desired?.record.generation ?? 0),
    reachedGeneration: BigInt(present?.generation ?? 0),
    replicas: [...replicas.values()].filter((replica) => replica.tenant === tenant).map(replicaMessage),
  };
}

function routerStatus({ hello, acknowledgedRevision, registryId }: KnownRouter): meshService.RouterStatus {
  const { routerId, incarnation, address, operationsAddress, pid } = hello;
  return { routerId, incarnation, address, operationsAddress, pid, acknowledgedRevision, registryId };
}

/** Those that are published or still held by a worker. */
function versionStatuses(view: PlacementView, routers: MeshRouters, entry: ModelEntry): meshService.VersionStatus[] {
  const model = entry.model.record;
  const id = (version: number): VersionId => versionId(model.tenant, model.name, version);
  return [...entry.versions.values()]
    .map(({ record }) => record)
    .filter((record) => record.state === 'published' || view.snapshot.holders.has(id(record.version)))
    .sort((one, other) => one.version - other.version)
    .map((record) => ({
      ref: refMessage(record),
      state: stateMessage(record.state),
      active: model.activeVersion === record.version,
      labels: labelsOf(model, record.version),
      wantedReplicas: record.state === 'published' ? assess(view, record).wanted : 0,
      readyReplicas:
        record.state === 'published' ? replicasOf(view.snapshot, id(record.version)).filter(isRoutable).length : 0,
      placementNote: placementNote(view, record),
      calls: [...routers.callsOf(id(record.version)).values()].reduce(addCalls, NO_CALLS),
    }));
}
