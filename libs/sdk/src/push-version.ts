import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { sha256OfFile } from '@bms/artifacts';
import { BmsError, models, parseModelName, Reason, type adminService, type modelService } from '@bms/contracts';
import type { Channel, Client } from '@bms/transport';
import type { Clock } from './clock';
import { changedMeanwhile, givenUp, givenUpWhileRegistering } from './push-errors';
import { pauseBeforeMs, type RetryPolicy } from './retry';
import { uploadBlobs, type Blob } from './upload-blobs';

/** A file of a version to be. */
export interface PushFile {
  /** Its path within the version: relative, with forward slashes. */
  readonly path: string;
  /** Where it is on this machine. */
  readonly file: string;
}

/** A file whose content is known. */
export interface PushedFile extends PushFile {
  readonly sizeBytes: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
}

/**
 * How far a push is.
 * - `hashing`: reading the files to learn their digests
 * - `uploading`: sending what the mesh does not have yet; bytes that were there already count as done
 * - `waiting`: the upload broke off; it goes on after a pause
 * - `registering`: all is uploaded; the registry reads the model and makes the version
 */
export type PushProgress =
  | { readonly phase: 'hashing' | 'uploading'; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly phase: 'waiting'; readonly pauseMs: number; readonly reason: string }
  | { readonly phase: 'registering' };

export interface PushOptions {
  readonly model: string;
  readonly files: readonly PushFile[];
  /** The path of the .onnx file to load; by default the only one of the top folder, or `model.onnx`. */
  readonly entry?: string;
  readonly notes?: string;
  /** How the version is to be served; what is left out is the mesh's default. */
  readonly config?: { readonly [K in keyof models.VersionConfig]?: models.VersionConfig[K] | undefined };
  /** Makes the push repeatable: pushing again with the same id gives the same version. Random by default. */
  readonly requestId?: string;
  readonly onProgress?: (progress: PushProgress) => void;
  /** Aborting it throws CANCELLED; what was uploaded is used by the next push of the same files. */
  readonly signal?: AbortSignal;
}

export interface PushResult {
  readonly version: models.Version;
  readonly files: readonly PushedFile[];
  /** What this push sent; less than the files' size where the mesh had some of it. */
  readonly uploadedBytes: number;
}

/** What a push works with. */
export interface PushServices {
  readonly tenant: string;
  readonly admin: Client<adminService.AdminServiceDefinition>;
  readonly models: Client<modelService.ModelServiceDefinition>;
  readonly dial: (address: string) => Channel;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Reading a large model takes the registry a while. */
const REGISTER_TIMEOUT_MS = 120_000;
const REGISTER_POLICY: RetryPolicy = { attempts: 8, firstPauseMs: 100, maxPauseMs: 2_000, idempotent: true };
/** Safe to send again, as the request id lets a second call answer with the first one's version. */
const REGISTER_AGAIN = [
  Reason.CONNECTION_FAILED,
  Reason.WORKER_LOST,
  Reason.DRAINING,
  Reason.STORE_UNAVAILABLE,
  Reason.OUTCOME_UNKNOWN,
];

/** Hashes, uploads and registers files as a version: see `BmsClient.pushVersion`. */
export async function pushVersion(options: PushOptions, services: PushServices): Promise<PushResult> {
  const model = parseModelName(options.model);
  const { tenant } = services;
  const files = await describeFiles(options);
  const artifactFiles = files.map(({ path, sizeBytes, sha256 }) =>
    models.ArtifactFile.create({ path, sizeBytes: BigInt(sizeBytes), sha256 }),
  );
  const upload = await services.admin.createUpload({ tenant, model, files: artifactFiles }, withSignal(options.signal));
  const uploadedBytes = await uploadBlobs(distinctBlobs(files), upload, options, services);

  options.onProgress?.({ phase: 'registering' });
  const { replicas = 0, intraOpThreads = 0, graphOptimization = '' } = options.config ?? {};
  const { device = '', fallback = '', providerOptions = {}, executors = 0, batching } = options.config ?? {};
  const request = {
    tenant,
    model,
    files: artifactFiles,
    entry: options.entry ?? '',
    notes: options.notes ?? '',
    config: { replicas, intraOpThreads, graphOptimization, device, fallback, providerOptions, executors, batching },
    requestId: options.requestId ?? randomUUID(),
  };
  return { version: await register(request, options, services), files, uploadedBytes };
}

async function register(
  request: modelService.RegisterVersionRequest,
  { signal, onProgress }: PushOptions,
  { models: client, clock, random }: PushServices,
): Promise<models.Version> {
  for (let attempt = 1; ; attempt++) {
    try {
      const deadlineMs = clock.now() + REGISTER_TIMEOUT_MS;
      const { version } = await client.registerVersion(request, { deadlineMs, ...withSignal(signal) });
      if (version === undefined) throw new BmsError(Reason.INTERNAL, 'the registry answered without a version');
      return version;
    } catch (error) {
      if (signal?.aborted === true) throw givenUpWhileRegistering(error);
      if (attempt >= REGISTER_POLICY.attempts || !BmsError.is(error, ...REGISTER_AGAIN)) throw error;
      const pauseMs = pauseBeforeMs(attempt + 1, REGISTER_POLICY, error, random);
      onProgress?.({ phase: 'waiting', pauseMs, reason: error.message });
      await clock.sleep(pauseMs, signal);
    }
  }
}

/** Size and digest of each file. */
async function describeFiles({ files, onProgress, signal }: PushOptions): Promise<readonly PushedFile[]> {
  if (files.length === 0) throw BmsError.invalidRequest('files', 'at least one file is needed');
  const sizes = await Promise.all(files.map(async ({ file }) => (await stat(file)).size));
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  const described: PushedFile[] = [];
  let doneBytes = 0;
  for (const [index, { path, file }] of files.entries()) {
    let sizeBytes = 0;
    const onRead = (readBytes: number): void => {
      sizeBytes = readBytes;
      onProgress?.({ phase: 'hashing', doneBytes: doneBytes + readBytes, totalBytes });
    };
    const sha256 = await sha256OfFile(file, signal, onRead).catch((error: unknown) => {
      throw signal?.aborted === true ? givenUp(error) : error;
    });
    if (sizeBytes !== sizes[index]) throw changedMeanwhile(path);
    doneBytes += sizeBytes;
    described.push({ path, file, sizeBytes, sha256 });
  }
  return described;
}

/** Files of equal content are one blob. */
function distinctBlobs(files: readonly PushedFile[]): readonly Blob[] {
  return [...new Map(files.map((file) => [file.sha256, file])).values()];
}

function withSignal(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
