import {
  BmsError,
  modelId,
  NAME_MAX_CHARACTERS,
  NAME_PATTERN,
  parseModelName,
  parseTenantId,
  parseVersionNumber,
  workerService,
  type models as proto,
} from '@bms/contracts';
import {
  artifactMessage,
  configMessage,
  refMessage,
  replicaStateWord,
  signatureMessage,
} from '../models/model-messages';
import type { ReplicaRecord, ReportedRecord, WorkerRecord } from '../records/values';
import { findVersion, type MeshSnapshot, type WorkerEntry } from '../watch/mesh-snapshot';

/** What a worker says of itself once. */
export type WorkerFacts = Omit<WorkerRecord, 'attachment' | 'attached' | 'draining' | 'registry'>;

const REASON_MAX_CHARACTERS = 2_000;
const GPU = workerService.DeviceKind.GPU;

/** Checks a hello. Throws INVALID_REQUEST that names the field. */
export function workerFacts(hello: workerService.WorkerHello): WorkerFacts {
  const { workerId, incarnation, address, device } = hello;
  if (workerId.length > NAME_MAX_CHARACTERS || !NAME_PATTERN.test(workerId)) {
    throw BmsError.invalidRequest(
      'hello.worker_id',
      `${JSON.stringify(workerId.slice(0, 60))} is not allowed: a letter or digit, then letters, digits, ".", "_" or "-", at most ${NAME_MAX_CHARACTERS} characters`,
    );
  }
  if (incarnation === '') throw BmsError.invalidRequest('hello.incarnation', 'must not be empty');
  if (!/^.+:[0-9]+$/.test(address)) throw BmsError.invalidRequest('hello.address', 'must be host:port');
  return {
    id: workerId,
    incarnation,
    address,
    operationsAddress: hello.operationsAddress,
    host: hello.host,
    pid: Number(hello.pid),
    device: {
      provider: device?.provider ?? '',
      name: device?.name ?? '',
      concurrentRuns: device?.concurrentRuns ?? 0,
      kind: device?.kind === GPU ? 'gpu' : 'cpu',
      memoryBytes: Number(device?.memoryBytes ?? 0n),
    },
    startedAtMs: Math.max(0, Number(hello.startedAtMs)),
    bmsVersion: hello.bmsVersion,
  };
}

/** Checks a report. Throws INVALID_REQUEST that names the field. */
export function reportRecord(incarnation: string, report: workerService.WorkerReport): ReportedRecord {
  const { generation, memory, replicas, device, deviceFailure } = report;
  return {
    incarnation,
    generation: Math.max(0, Number(generation)),
    memory: {
      totalBytes: Number(memory?.totalBytes ?? 0n),
      freeBytes: Number(memory?.freeBytes ?? 0n),
      residentBytes: Number(memory?.residentBytes ?? 0n),
    },
    ...(device && {
      device: {
        memoryTotalBytes: Number(device.memoryTotalBytes),
        memoryFreeBytes: Number(device.memoryFreeBytes),
        busyPercent: device.busyPercent,
      },
    }),
    deviceFailure: deviceFailure.slice(0, REASON_MAX_CHARACTERS),
    replicas: replicas.map((replica, at) => replicaRecord(replica, `report.replicas[${at}]`)),
  };
}

function replicaRecord(replica: proto.ReplicaStatus, field: string): ReplicaRecord {
  const { ref } = replica;
  const state = replicaStateWord(replica.state);
  if (ref === undefined) throw BmsError.invalidRequest(`${field}.ref`, 'is missing');
  if (state === undefined) throw BmsError.invalidRequest(`${field}.state`, `${replica.state} is no state of a replica`);
  return {
    tenant: parseTenantId(ref.tenant, `${field}.ref.tenant`),
    model: parseModelName(ref.model, `${field}.ref.model`),
    version: parseVersionNumber(ref.version, `${field}.ref.version`),
    state,
    sinceMs: Math.max(0, Number(replica.sinceMs)),
    reason: replica.reason.slice(0, REASON_MAX_CHARACTERS),
    memoryBytes: Number(replica.memoryBytes),
    unwarmed: replica.unwarmed,
    provider: replica.provider,
    fellBack: replica.fellBack,
  };
}

/** All that a worker shall hold, with what it needs to load it. Versions that leave are in it until they are dropped. */
export function desiredMessage(snapshot: MeshSnapshot, entry: WorkerEntry | undefined): workerService.AttachResponse {
  const versions = [...(entry?.desiredVersions.values() ?? [])].flatMap((desired) => {
    const found = findVersion(snapshot, modelId(desired.tenant, desired.model), desired.version);
    if (found === undefined) return [];
    const { artifact, signature, config } = found.record;
    return {
      ref: refMessage(desired),
      artifact: artifactMessage(artifact),
      signature: signatureMessage(signature),
      config: configMessage(config),
    };
  });
  return {
    kind: { $case: 'desired', value: { generation: BigInt(entry?.desired?.record.generation ?? 0), versions } },
  };
}
