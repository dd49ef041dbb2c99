import { createHash } from 'node:crypto';
import { adminService, blobService, BmsError, meshService, models, modelService, Reason } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import {
  implement,
  mergeRoutes,
  type Implementation,
  type Metadata,
  type Routes,
  type ServerCall,
} from '@bms/transport';

/** A call that the fake was sent. */
export interface FakeCall {
  readonly method: string;
  readonly request: unknown;
  readonly metadata: Metadata;
}

type ModelImplementation = Implementation<typeof modelService.ModelServiceDefinition>;

/**
 * Admin and BlobService over real gRPC on one port. Uploads and versions work as they do in a mesh; a spec changes single answers
 * through `models`, `status` and `onReceived`.
 */
export class FakeMesh {
  readonly calls: FakeCall[] = [];
  /** By digest; complete once as long as announced. */
  readonly blobs = new Map<string, Uint8Array>();
  readonly versions: models.Version[] = [];
  /** Answers of ModelService that a spec sets in place of the fake's own. */
  readonly models: { -readonly [K in keyof ModelImplementation]?: ModelImplementation[K] } = {};
  status: meshService.GetMeshStatusResponse = meshService.GetMeshStatusResponse.create({
    meshId: 'mesh-1',
    store: 'embedded',
  });
  /** Called after each chunk with how much of the blob is there; throwing breaks the upload off. */
  onReceived: (receivedBytes: number) => void = () => undefined;
  /** Called before each chunk of a download with where it starts; throwing breaks the download off. */
  onSending: (offsetBytes: number) => Promise<void> | void = () => undefined;
  downloadChunkBytes = 1_024;
  /** What CreateUpload and CreateDownload answer in place of this server's own address. */
  blobAddresses: readonly string[] | undefined;
  private server: GrpcServer;
  private port = 0;

  private constructor() {
    this.server = new GrpcServer(this.routes());
  }

  static async start(): Promise<FakeMesh> {
    const mesh = new FakeMesh();
    await mesh.listen();
    return mesh;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Breaks all connections and serves again on the same port. */
  async restart(): Promise<void> {
    await this.server.close();
    this.server = new GrpcServer(this.routes());
    await this.listen();
  }

  async close(): Promise<void> {
    await this.server.close();
  }

  /** The requests of one method, in their order. */
  requestsOf<T>(method: string): readonly T[] {
    return this.calls.filter((call) => call.method === method).map(({ request }) => request as T);
  }

  private async listen(): Promise<void> {
    this.port = await this.server.listen({ host: '127.0.0.1', port: this.port });
  }

  private routes(): Routes {
    return mergeRoutes(
      implement(adminService.AdminServiceDefinition, {
        createUpload: async (request, call) => this.createUpload(request, call),
        createDownload: async (request, call) => this.createDownload(request, call),
        listAuditEntries: async () => ({ entries: [] }),
      }),
      implement(blobService.BlobServiceDefinition, {
        statBlob: async (request, call) => this.statBlob(request, call),
        uploadBlob: async (requests) => this.uploadBlob(requests),
        downloadBlob: (request, call) => this.downloadBlob(request, call),
      }),
      implement(meshService.MeshServiceDefinition, {
        getMeshStatus: async (request, call) => this.noted('GetMeshStatus', request, call, this.status),
        acceptStore: async (request, call) => this.noted('AcceptStore', request, call, {}),
      }),
      implement(modelService.ModelServiceDefinition, this.modelService()),
    );
  }

  /** Each method: what the spec set, else the fake's own answer. */
  private modelService(): ModelImplementation {
    const own = this.ownModelService();
    const answers = Object.keys(own).map((key) => {
      const name = key as keyof ModelImplementation;
      const answer = async (request: never, call: ServerCall): Promise<unknown> => {
        this.calls.push({ method: name.charAt(0).toUpperCase() + name.slice(1), request, metadata: call.metadata });
        return (this.models[name] ?? own[name])(request, call);
      };
      return [name, answer];
    });
    return Object.fromEntries(answers) as ModelImplementation;
  }

  private ownModelService(): ModelImplementation {
    const model = (name: string, activeVersion: bigint): models.Model =>
      models.Model.create({ tenant: 'default', name, activeVersion });
    return {
      registerVersion: async (request) => ({ version: this.register(request) }),
      setVersionState: async ({ ref, state }) => ({ version: models.Version.create({ ref, state }) }),
      activateVersion: async ({ ref }) => ({ model: model(ref?.model ?? '', ref?.version ?? 0n), previousVersion: 1n }),
      rollBackModel: async (request) => ({ model: model(request.model, request.toVersion || 1n), previousVersion: 2n }),
      setLabel: async ({ ref }) => ({ model: model(ref?.model ?? '', 1n) }),
      waitForVersion: async ({ ref }) => ({
        replicas: ['worker-a', 'worker-b'].map((workerId) =>
          modelService.ReplicaOnWorker.create({ workerId, status: { ref, state: models.ReplicaState.READY } }),
        ),
      }),
      listModels: async () => ({ models: [] }),
      getModel: async (request) => {
        throw new BmsError(Reason.MODEL_NOT_FOUND, `there is no model ${request.model}`);
      },
    };
  }

  private register(request: modelService.RegisterVersionRequest): models.Version {
    const known = this.versions.find(({ producer }) => producer === request.requestId);
    if (known !== undefined) return known;
    const missing = request.files.find(({ sha256 }) => !this.blobs.has(sha256));
    if (missing !== undefined) throw new BmsError(Reason.BLOB_NOT_FOUND, `${missing.path}: no blob ${missing.sha256}`);
    const { tenant, model, files, notes, config } = request;
    const version = models.Version.create({
      ref: { tenant, model, version: BigInt(this.versions.length + 1) },
      state: models.VersionState.REGISTERED,
      artifact: { digest: 'd'.repeat(64), files, sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0n) },
      signature: { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1n, 4n], symbols: ['batch', ''] }] },
      notes,
      config,
      producer: request.requestId, // a place for the fake to keep it
    });
    this.versions.push(version);
    return version;
  }

  private createUpload(request: adminService.CreateUploadRequest, call: ServerCall): adminService.CreateUploadResponse {
    const blobAddresses = [...(this.blobAddresses ?? [this.address])];
    return this.noted('CreateUpload', request, call, { ticket: 'ticket', expiresAtMs: 0n, blobAddresses });
  }

  private createDownload(
    request: adminService.CreateDownloadRequest,
    call: ServerCall,
  ): adminService.CreateDownloadResponse {
    const blobAddresses = [...(this.blobAddresses ?? [this.address])];
    const version = this.versions.find(({ ref }) => ref?.version === request.ref?.version) ?? this.versions.at(-1);
    return this.noted('CreateDownload', request, call, { ticket: 'ticket', expiresAtMs: 0n, blobAddresses, version });
  }

  private async *downloadBlob(
    request: blobService.DownloadBlobRequest,
    call: ServerCall,
  ): AsyncIterable<blobService.DownloadBlobResponse> {
    this.noted('DownloadBlob', request, call, undefined);
    const bytes = this.blobs.get(request.sha256);
    if (bytes === undefined) throw new BmsError(Reason.BLOB_NOT_FOUND, `there is no blob ${request.sha256}`);
    for (let at = Number(request.offsetBytes); at < bytes.byteLength; at += this.downloadChunkBytes) {
      await this.onSending(at);
      yield { chunk: bytes.subarray(at, at + this.downloadChunkBytes) };
    }
  }

  private statBlob(request: blobService.StatBlobRequest, call: ServerCall): blobService.StatBlobResponse {
    const receivedBytes =
      this.blobs.get(request.sha256)?.byteLength ?? this.partial.get(request.sha256)?.byteLength ?? 0;
    return this.noted('StatBlob', request, call, {
      complete: this.blobs.has(request.sha256),
      receivedBytes: BigInt(receivedBytes),
    });
  }

  private readonly partial = new Map<string, Uint8Array>();

  private async uploadBlob(
    requests: AsyncIterable<blobService.UploadBlobRequest>,
  ): Promise<blobService.UploadBlobResponse> {
    let header: blobService.UploadBlobHeader | undefined;
    for await (const { kind } of requests) {
      if (kind?.$case === 'header') {
        header = kind.value;
        const there = this.partial.get(header.sha256)?.byteLength ?? 0;
        if (Number(header.offsetBytes) !== there) throw new BmsError(Reason.UPLOAD_INTERRUPTED, `resume at ${there}`);
      } else if (kind?.$case === 'chunk' && header !== undefined) {
        const whole = Buffer.concat([this.partial.get(header.sha256) ?? new Uint8Array(), kind.value]);
        this.partial.set(header.sha256, whole);
        this.onReceived(whole.byteLength);
      }
    }
    if (header === undefined) throw BmsError.invalidRequest('header', 'is missing');
    return { receivedBytes: BigInt(this.complete(header)) };
  }

  private complete({ sha256, sizeBytes }: blobService.UploadBlobHeader): number {
    const bytes = this.partial.get(sha256) ?? new Uint8Array();
    if (BigInt(bytes.byteLength) !== sizeBytes) {
      throw new BmsError(Reason.UPLOAD_INTERRUPTED, `${bytes.byteLength} of ${sizeBytes} bytes came`);
    }
    this.partial.delete(sha256);
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
      throw new BmsError(Reason.DIGEST_MISMATCH, 'the bytes have another sha256 than promised');
    }
    this.blobs.set(sha256, bytes);
    return bytes.byteLength;
  }

  private noted<T>(method: string, request: unknown, call: ServerCall, answer: T): T {
    this.calls.push({ method, request, metadata: call.metadata });
    return answer;
  }
}
