import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { blobService, BmsError, CallMetadata, Reason, workerService } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import { implement, mergeRoutes, MessageQueue } from '@bms/transport';

/** One stream of a worker, as the test sees it. */
export class Attachment {
  readonly responses = new MessageQueue<workerService.AttachResponse>();
  readonly received: workerService.AttachRequest[] = [];
  readonly events = new EventEmitter();
  ended = false;
  /** What the stream ends with; undefined: in order. */
  failure: BmsError | undefined;

  constructor(readonly authorization: string | undefined) {}

  attached(meshId = 'mesh-1'): void {
    this.send({ $case: 'attached', value: { meshId, leaseTtlMs: 10_000n } });
  }

  desire(generation: bigint, ...versions: workerService.DesiredVersion[]): void {
    this.send({ $case: 'desired', value: { generation, versions } });
  }

  send(kind: NonNullable<workerService.AttachResponse['kind']>): void {
    this.responses.push({ kind });
  }

  /** Ends the stream with an error. */
  fail(error: BmsError): void {
    this.failure = error;
    this.responses.close();
  }

  /** The first request that `pick` finds, now or later. */
  async receive<T>(pick: (request: workerService.AttachRequest) => T | undefined): Promise<T> {
    for (let at = 0; ; at++) {
      while (at >= this.received.length) await once(this.events, 'request');
      const request = this.received[at];
      const picked = request === undefined ? undefined : pick(request);
      if (picked !== undefined) return picked;
    }
  }

  /** The first report that `accept` likes, now or later. */
  async report(
    accept: (report: workerService.WorkerReport) => boolean = () => true,
  ): Promise<workerService.WorkerReport> {
    return this.receive(({ kind }) => (kind?.$case === 'report' && accept(kind.value) ? kind.value : undefined));
  }

  async hello(): Promise<workerService.WorkerHello> {
    return this.receive(({ kind }) => (kind?.$case === 'hello' ? kind.value : undefined));
  }
}

/** A registry that does what the test says, over real gRPC. */
export class FakeRegistry {
  readonly attachments: Attachment[] = [];
  readonly downloads: blobService.DownloadBlobRequest[] = [];
  /** Bytes after which the next download breaks off; undefined: never. */
  breakDownloadAfter: number | undefined;
  private readonly blobs = new Map<string, Uint8Array>();
  private readonly events = new EventEmitter();
  private server: GrpcServer | undefined;
  private taken = 0;

  /** Answers its address. */
  async start(port = 0): Promise<string> {
    this.server = new GrpcServer(
      mergeRoutes(
        implement(workerService.WorkerServiceDefinition, {
          attach: (requests, { metadata }) => this.attach(requests, metadata.get(CallMetadata.authorization)),
        }),
        implement(blobService.BlobServiceDefinition, {
          statBlob: unused,
          uploadBlob: unused,
          downloadBlob: (request) => this.download(request),
        }),
      ),
    );
    return `127.0.0.1:${await this.server.listen({ host: '127.0.0.1', port })}`;
  }

  async stop(): Promise<void> {
    await this.server?.close();
    this.server = undefined;
  }

  /** The next stream of a worker that the test has not seen yet. */
  async nextAttachment(): Promise<Attachment> {
    while (this.attachments.length <= this.taken) await once(this.events, 'attach');
    return this.attachments[this.taken++] as Attachment;
  }

  /** Makes a blob downloadable; answers its sha256. */
  addBlob(bytes: Uint8Array): string {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.blobs.set(sha256, bytes);
    return sha256;
  }

  private async *attach(
    requests: AsyncIterable<workerService.AttachRequest>,
    authorization: string | undefined,
  ): AsyncIterable<workerService.AttachResponse> {
    const attachment = new Attachment(authorization);
    this.attachments.push(attachment);
    this.events.emit('attach');
    void (async () => {
      try {
        for await (const request of requests) {
          attachment.received.push(request);
          attachment.events.emit('request');
        }
      } catch {
        // the worker is gone, or the test has stopped the registry
      }
      attachment.ended = true;
      attachment.responses.close();
      attachment.events.emit('end');
    })();
    yield* attachment.responses;
    if (attachment.failure !== undefined) throw attachment.failure;
  }

  private async *download(request: blobService.DownloadBlobRequest): AsyncIterable<blobService.DownloadBlobResponse> {
    this.downloads.push(request);
    const bytes = this.blobs.get(request.sha256);
    if (bytes === undefined) throw new BmsError(Reason.BLOB_NOT_FOUND, `no blob ${request.sha256}`);
    const start = Number(request.offsetBytes);
    const end = this.breakDownloadAfter === undefined ? bytes.byteLength : start + this.breakDownloadAfter;
    this.breakDownloadAfter = undefined;
    yield { chunk: bytes.subarray(start, end) };
    if (end < bytes.byteLength) throw new BmsError(Reason.STORE_UNAVAILABLE, 'it broke off');
  }
}

async function unused(): Promise<never> {
  throw new BmsError(Reason.UNIMPLEMENTED, 'a worker does not call this');
}
