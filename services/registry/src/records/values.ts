import { z } from 'zod';
import { valueFormat } from './value-format';

// One schema per value of the store. Times are milliseconds since 1970, sizes are bytes, 64-bit integers of the wire are
// numbers here. A change of a schema raises its version and brings the `upgrade` from the one before.

const timeMs = z.number().int().nonnegative();
const bytes = z.number().int();
const versionNumber = z.number().int().positive();

/** Who this mesh is. */
export type MeshRecord = z.infer<typeof meshSchema>;
const meshSchema = z.object({
  id: z.string().min(1),
  createdAtMs: timeMs,
});
export const meshFormat = valueFormat({ name: 'mesh record', version: 1, schema: meshSchema });

/** A version was made the active one; `rollback` says whether by going back, so that going back again goes further. */
export type ActivationRecord = z.infer<typeof activationSchema>;
const activationSchema = z.object({
  version: versionNumber,
  atMs: timeMs,
  by: z.string(),
  kind: z.enum(['activate', 'rollback']),
});

export type ModelRecord = z.infer<typeof modelSchema>;
const modelSchema = z.object({
  tenant: z.string().min(1),
  name: z.string().min(1),
  /** 0: none. */
  activeVersion: z.number().int().nonnegative(),
  labels: z.record(z.string(), versionNumber),
  /** Oldest first. */
  activations: z.array(activationSchema),
  createdAtMs: timeMs,
  createdBy: z.string(),
  /** The highest number ever given. */
  latestVersion: z.number().int().nonnegative(),
  /** Ids of the last changes, newest last: where the answer to a write is lost, they tell whether it happened. */
  recentChanges: z.array(z.string()),
});
export const modelFormat = valueFormat({ name: 'model record', version: 1, schema: modelSchema });

export const VERSION_STATES = ['registered', 'published', 'offline', 'deleted'] as const;
/** What people want of a version. */
export type VersionStateWord = (typeof VERSION_STATES)[number];

const tensorSpecSchema = z.object({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.number().int()),
  symbols: z.array(z.string()),
  unranked: z.boolean(),
});
const artifactFileSchema = z.object({ path: z.string().min(1), sizeBytes: bytes, sha256: z.string().length(64) });

export type VersionRecord = z.infer<typeof versionSchema>;
export type ArtifactRecord = VersionRecord['artifact'];
export type SignatureRecord = VersionRecord['signature'];
export type VersionConfigRecord = VersionRecord['config'];
const versionSchema = z.object({
  tenant: z.string().min(1),
  model: z.string().min(1),
  version: versionNumber,
  state: z.enum(VERSION_STATES),
  artifact: z.object({
    digest: z.string().length(64),
    sizeBytes: bytes,
    entry: z.string().min(1),
    files: z.array(artifactFileSchema),
  }),
  signature: z.object({ inputs: z.array(tensorSpecSchema), outputs: z.array(tensorSpecSchema) }),
  config: z.object({
    /** 0: the mesh's default. */
    replicas: z.number().int().nonnegative(),
    /** 0: the worker's default. */
    intraOpThreads: z.number().int().nonnegative(),
    graphOptimization: z.string(),
    /** `""`: any; `gpu`, `cpu`, or a provider's name. */
    device: z.string(),
    /** `""`: none; `cpu`. */
    fallback: z.string(),
    /** Of ONNX Runtime's providers, by provider. */
    providerOptions: z.record(z.string(), z.record(z.string(), z.string())),
    /** Sessions on each worker; 0: what the worker measures. */
    executors: z.number().int().nonnegative(),
    /** How requests run together; 0 and `""` stand for the defaults. */
    batching: z.object({
      mode: z.string(),
      maxRows: z.number().int().nonnegative(),
      preferredRows: z.array(z.number().int().positive()),
      maxDelayMs: z.number().int().nonnegative(),
      maxQueueMs: z.number().int().nonnegative(),
    }),
  }),
  notes: z.string(),
  createdBy: z.string(),
  createdAtMs: timeMs,
  opset: z.string(),
  producer: z.string(),
  requestId: z.string(),
});
export const versionFormat = valueFormat({
  name: 'version record',
  version: 3,
  schema: versionSchema,
  upgrade: (previous) => {
    const batching = { mode: '', maxRows: 0, preferredRows: [], maxDelayMs: 0, maxQueueMs: 0 };
    return { ...previous, config: { executors: 0, batching, ...(previous['config'] as object) } };
  },
});

/** Which version a RegisterVersion made, by the caller's request id. */
export type RequestRecord = z.infer<typeof requestSchema>;
const requestSchema = z.object({ version: versionNumber });
export const requestFormat = valueFormat({ name: 'request record', version: 1, schema: requestSchema });

/** A worker that is there, with what it said in its hello. */
export type WorkerRecord = z.infer<typeof workerSchema>;
const workerSchema = z.object({
  id: z.string().min(1),
  incarnation: z.string().min(1),
  /** Unique to one stream of the worker: another one means that a newer stream has taken over. */
  attachment: z.string().min(1),
  /** Id of the registry that the stream leads to; `""`: of an older release. */
  registry: z.string(),
  /** Whether that stream lives; when not, the lease is running out. */
  attached: z.boolean(),
  /** Takes no more requests: it is going away. */
  draining: z.boolean(),
  address: z.string().min(1),
  operationsAddress: z.string(),
  host: z.string(),
  pid: z.number().int(),
  device: z.object({
    provider: z.string(),
    name: z.string(),
    concurrentRuns: z.number().int(),
    kind: z.enum(['cpu', 'gpu']),
    /** Of its own; 0: none, or unknown. */
    memoryBytes: bytes,
  }),
  startedAtMs: timeMs,
  bmsVersion: z.string(),
});
export const workerFormat = valueFormat({
  name: 'worker record',
  version: 2,
  schema: workerSchema,
  upgrade: (previous) => {
    const device = { kind: 'cpu', memoryBytes: 0, ...(previous['device'] as object) };
    return { registry: '', ...previous, device };
  },
});

const refSchema = { tenant: z.string().min(1), model: z.string().min(1), version: versionNumber };

/** One version of a worker's desired set. */
export type DesiredVersionRecord = z.infer<typeof desiredVersionSchema>;
const desiredVersionSchema = z.object({
  ...refSchema,
  /**
   * When it was taken out of the routes, to be dropped once the routers have acknowledged; undefined: it serves. The
   * worker is not told: it holds the version until it is dropped.
   */
  retiredAtMs: timeMs.optional(),
});

/** All that a worker shall hold. */
export type DesiredRecord = z.infer<typeof desiredSchema>;
const desiredSchema = z.object({
  /** Grows with each change that the worker has to follow. */
  generation: z.number().int().nonnegative(),
  /** An empty set of a worker that has been gone for long is forgotten. */
  changedAtMs: timeMs,
  versions: z.array(desiredVersionSchema),
});
export const desiredFormat = valueFormat({ name: 'desired set', version: 1, schema: desiredSchema });

export const REPLICA_STATES = ['loading', 'warming', 'ready', 'draining', 'failed'] as const;
export type ReplicaStateWord = (typeof REPLICA_STATES)[number];

/** One version on a worker, as the worker says. */
export type ReplicaRecord = z.infer<typeof replicaSchema>;
const replicaSchema = z.object({
  ...refSchema,
  state: z.enum(REPLICA_STATES),
  sinceMs: timeMs,
  reason: z.string(),
  memoryBytes: bytes,
  unwarmed: z.boolean(),
  /** What it runs on; `""` before it is loaded. */
  provider: z.string(),
  /** Not on the worker's device, which could not run it. */
  fellBack: z.boolean(),
});

/** What a worker says it holds. */
export type ReportedRecord = z.infer<typeof reportedSchema>;
const reportedSchema = z.object({
  incarnation: z.string().min(1),
  /** Of the desired set that the report is about. */
  generation: z.number().int().nonnegative(),
  memory: z.object({ totalBytes: bytes, freeBytes: bytes, residentBytes: bytes }),
  /** Of a device with memory of its own, where it can be measured. */
  device: z.object({ memoryTotalBytes: bytes, memoryFreeBytes: bytes, busyPercent: z.number().int() }).optional(),
  /** Why the device needs a new process; `""`: it does not. */
  deviceFailure: z.string(),
  replicas: z.array(replicaSchema),
});
export const reportedFormat = valueFormat({
  name: 'report',
  version: 2,
  schema: reportedSchema,
  upgrade: (previous) => {
    const replicas = (previous['replicas'] as object[]).map((one) => ({ provider: '', fellBack: false, ...one }));
    return { deviceFailure: '', ...previous, replicas };
  },
});

/** A registry that is there. */
export type RegistryRecord = z.infer<typeof registrySchema>;
const registrySchema = z.object({
  id: z.string().min(1),
  incarnation: z.string().min(1),
  address: z.string().min(1),
  operationsAddress: z.string(),
  host: z.string(),
  pid: z.number().int(),
  startedAtMs: timeMs,
  bmsVersion: z.string(),
});
export const registryFormat = valueFormat({ name: 'registry record', version: 1, schema: registrySchema });

/** Who decides placement. The key's create revision fences all that it writes. */
export type LeaderRecord = z.infer<typeof leaderSchema>;
const leaderSchema = z.object({ registry: z.string().min(1), incarnation: z.string().min(1) });
export const leaderFormat = valueFormat({ name: 'leader record', version: 1, schema: leaderSchema });

/**
 * A person has taken the store as it is, although the mesh had followed another history. Each acceptance raises the epoch: a
 * registry that knows a lower one knows that it is meant, too, and a snapshot from before has a lower one.
 */
export type AcceptedRecord = z.infer<typeof acceptedSchema>;
const acceptedSchema = z.object({
  epoch: z.number().int().positive(),
  /** What was accepted. */
  clusterId: z.string(),
  revision: z.string(),
  atMs: timeMs,
  by: z.string(),
});
export const acceptedFormat = valueFormat({ name: 'acceptance', version: 1, schema: acceptedSchema });
