import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearer, readServiceToken, signUploadTicket, type ServiceToken } from '@bms/auth';
import { blobService, CallMetadata, DEFAULT_TENANT, meshService, models, modelService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import type { RunningService } from '@bms/lifecycle';
import { identityModel } from '@bms/onnx-inspect/testkit';
import { createLogger } from '@bms/telemetry';
import { createClient, Metadata, type CallOptions, type Client } from '@bms/transport';
import { startRegistry } from './compose';
import { loadConfig } from './config';

export const MODEL = 'digits';

/** A composed registry in this process, over real gRPC, and its clients. */
export class RunningRegistry {
  readonly data: string;
  models!: Client<modelService.ModelServiceDefinition>;
  blobs!: Client<blobService.BlobServiceDefinition>;
  mesh!: Client<meshService.MeshServiceDefinition>;
  private service: RunningService | undefined;
  private readonly channels: GrpcChannel[] = [];

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<RunningRegistry> {
    const registry = new RunningRegistry(mkdtempSync(join(tmpdir(), 'bms-registry-')), settings);
    await registry.start();
    return registry;
  }

  /** Another registry of the same mesh: the same data folder and service token, a state folder of its own. */
  static async beside(first: RunningRegistry, settings: Readonly<Record<string, string>>): Promise<RunningRegistry> {
    const state = join(first.data, 'registries', randomUUID());
    const registry = new RunningRegistry(first.data, { ...first.settings, state, ...settings }, true);
    await registry.start();
    return registry;
  }

  private constructor(
    data: string,
    private readonly settings: Readonly<Record<string, string>>,
    private readonly shared = false,
  ) {
    this.data = data;
  }

  get address(): string {
    return String(this.service?.facts['grpc']);
  }

  get operations(): string {
    return `http://${String(this.service?.facts['operations'])}`;
  }

  get token(): ServiceToken {
    return readServiceToken(this.data) ?? '';
  }

  /** What a caller with the service token sends. */
  get trusted(): CallOptions {
    return {
      metadata: Metadata.from({ [CallMetadata.authorization]: bearer(this.token), [CallMetadata.principal]: 'ann' }),
    };
  }

  async start(): Promise<void> {
    const flags = { data: this.data, 'grpc-port': '0', 'operations-port': '0', 'log-level': 'error', ...this.settings };
    const argv = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    this.service = await startRegistry(
      loadConfig({ argv, env: {} }),
      () => undefined,
      createLogger('registry', 'error'),
    );
    const channel = this.dial();
    this.models = createClient(modelService.ModelServiceDefinition, channel);
    this.blobs = createClient(blobService.BlobServiceDefinition, channel);
    this.mesh = createClient(meshService.MeshServiceDefinition, channel);
  }

  dial(): GrpcChannel {
    const channel = new GrpcChannel(this.address);
    this.channels.push(channel);
    return channel;
  }

  async stop(): Promise<void> {
    await this.service?.stop(AbortSignal.timeout(5_000));
    this.service = undefined;
    for (const channel of this.channels.splice(0)) channel.close();
  }

  async close(): Promise<void> {
    await this.stop();
    if (!this.shared) rmSync(this.data, { recursive: true });
  }

  async ticket(blobs: Readonly<Record<string, number>>): Promise<string> {
    const ticket = { tenant: DEFAULT_TENANT, model: MODEL, principal: 'ann', blobs };
    return signUploadTicket(this.token, ticket, Date.now() + 60_000);
  }

  /** Uploads bytes as one blob; answers the file that a version can be made of. */
  async upload(path: string, bytes: Uint8Array): Promise<models.ArtifactFile> {
    const sha256 = sha256Of(bytes);
    const ticket = await this.ticket({ [sha256]: bytes.byteLength });
    const sizeBytes = BigInt(bytes.byteLength);
    await this.blobs.uploadBlob(messages({ ticket, sha256, sizeBytes, offsetBytes: 0n }, bytes));
    return { path, sizeBytes, sha256 };
  }

  /** Registers a version of the small identity model; answers its number. */
  async push(request: Partial<modelService.RegisterVersionRequest> = {}): Promise<bigint> {
    const files = request.files ?? [await this.upload('model.onnx', identityModel())];
    const full = modelService.RegisterVersionRequest.create({
      model: MODEL,
      requestId: randomUUID(),
      ...request,
      files,
    });
    const { version } = await this.models.registerVersion(full, this.trusted);
    return version?.ref?.version ?? 0n;
  }

  async setState(version: bigint, state: models.VersionState, force = false): Promise<void> {
    await this.models.setVersionState({ ref: ref(version), state, force }, this.trusted);
  }

  async publish(version: bigint): Promise<void> {
    await this.setState(version, models.VersionState.PUBLISHED);
  }

  async model(): Promise<modelService.ModelDetail> {
    const { model } = await this.models.getModel({ tenant: '', model: MODEL });
    if (model === undefined) throw new Error('no model');
    return model;
  }

  async status(): Promise<meshService.GetMeshStatusResponse> {
    return this.mesh.getMeshStatus({ tenant: '' });
  }
}

export function ref(version: bigint): models.VersionRef {
  return { tenant: '', model: MODEL, version };
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The messages of an upload: the header, then the bytes in chunks. */
export async function* messages(
  header: blobService.UploadBlobHeader,
  bytes: Uint8Array,
  chunkBytes = 64 * 1024,
): AsyncIterable<blobService.UploadBlobRequest> {
  yield { kind: { $case: 'header', value: header } };
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) {
    yield { kind: { $case: 'chunk', value: bytes.subarray(at, at + chunkBytes) } };
  }
}
