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
/** Of texts that only people read: what is longer is cut. */
const TEXT_MAX_CHARACTERS = 256;
const ADDRESS_MAX_CHARACTERS = 512;
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
  if (incarnation === '' || incarnation.length > TEXT_MAX_CHARACTERS) {
    throw BmsError.invalidRequest('hello.incarnation', `must have 1 to ${TEXT_MAX_CHARACTERS} characters`);
  }
  if (address.length > ADDRESS_MAX_CHARACTERS || !/^.+:[0-9]+$/.test(address)) {
    throw BmsError.invalidRequest('hello.address', `must be host:port of at most ${ADDRESS_MAX_CHARACTERS} characters`);
  }
  return {
    id: workerId,
    incarnation,
    address,
    operationsAddress: hello.operationsAddress.slice(0, ADDRESS_MAX_CHARACTERS),
    host: short(hello.host),
    pid: whole(hello.pid, 'hello.pid'),
    device: {
      provider: short(device?.provider ?? ''),
      name: short(device?.name ?? ''),
      concurrentRuns: device?.concurrentRuns ?? 0,
      kind: device?.kind === GPU ? 'gpu' : 'cpu',
      memoryBytes: whole(device?.memoryBytes ?? 0n, 'hello.device.memory_bytes'),
    },
    startedAtMs: whole(hello.startedAtMs, 'hello.started_at_ms'),
    bmsVersion: short(hello.bmsVersion),
  };
}

/** Checks a report. Throws INVALID_REQUEST that names the field. */
export function reportRecord(incarnation: string, report: workerService.WorkerReport): ReportedRecord {
  const { generation, memory, replicas, device, deviceFailure } = report;
  return {
    incarnation,
    generation: whole(generation, 'report.generation'),
    memory: {
      totalBytes: whole(memory?.totalBytes ?? 0n, 'report.memory.total_bytes'),
      freeBytes: whole(memory?.freeBytes ?? 0n, 'report.memory.free_bytes'),
      residentBytes: whole(memory?.residentBytes ?? 0n, 'report.memory.resident_bytes'),
    },
    ...(device && {
      device: {
        memoryTotalBytes: whole(device.memoryTotalBytes, 'report.device.memory_total_bytes'),
        memoryFreeBytes: whole(device.memoryFreeBytes, 'report.device.memory_free_bytes'),
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
    sinceMs: whole(replica.sinceMs, `${field}.since_ms`),
    reason: replica.reason.slice(0, REASON_MAX_CHARACTERS),
    memoryBytes: Math.max(0, safe(replica.memoryBytes, `${field}.memory_bytes`)),
    unwarmed: replica.unwarmed,
    provider: short(replica.provider),
    fellBack: replica.fellBack,
  };
}

/** A number of the wire as the store keeps it. */
function safe(value: bigint, field: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw BmsError.invalidRequest(field, `${value} is not allowed: at most ${Number.MAX_SAFE_INTEGER} is`);
}

function whole(value: bigint, field: string): number {
  if (value < 0n) throw BmsError.invalidRequest(field, `${value} is not allowed: must not be negative`);
  return safe(value, field);
}

function short(text: string): string {
  return text.slice(0, TEXT_MAX_CHARACTERS);
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
