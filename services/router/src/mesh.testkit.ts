import { CallMetadata, inference, routeService } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import {
  implement,
  MessageQueue,
  pathOf,
  type Bytes,
  type Metadata,
  type Routes,
  type ServerCall,
} from '@bms/transport';
import { modelRoute, routeSnapshot, workerRoute } from './catalog/routes.testkit';

const { GRPCInferenceServiceDefinition: SERVICE } = inference;
const HOST = '127.0.0.1';

export interface ReceivedCall {
  readonly request: Bytes;
  readonly metadata: Metadata;
  readonly deadlineMs: number | undefined;
  readonly signal: AbortSignal;
}

/** A worker over real gRPC whose answers a spec decides. */
export class FakeWorker {
  readonly calls: ReceivedCall[] = [];
  answer: (request: Bytes, call: ServerCall) => Promise<Bytes> | Bytes = () => Buffer.from(`answer of ${this.id}`);
  private server: GrpcServer | undefined;
  private arrivals: (() => void)[] = [];
  port = 0;

  constructor(readonly id: string) {}

  async start(): Promise<this> {
    const routes: Routes = new Map([
      [
        pathOf(SERVICE, SERVICE.methods.modelInfer),
        {
          kind: 'unary',
          handle: async (request, call) => {
            this.calls.push({ request, metadata: call.metadata, deadlineMs: call.deadlineMs, signal: call.signal });
            for (const arrive of this.arrivals.splice(0)) arrive();
            call.trailers.set(CallMetadata.queueDepth, '0').set(CallMetadata.computeUs, '42');
            return this.answer(request, call);
          },
        },
      ],
    ]);
    this.server = new GrpcServer(routes);
    this.port = await this.server.listen({ host: HOST, port: this.port });
    return this;
  }

  /** Resolves when the next call has arrived. */
  arrival(): Promise<void> {
    return new Promise((resolve) => this.arrivals.push(resolve));
  }

  /** Breaks its connections, as `kill -9` does; `start` brings it back on the same port. */
  async kill(): Promise<void> {
    await this.server?.close();
  }

  route(): routeService.WorkerRoute {
    return workerRoute(this.id, `${HOST}:${this.port}`);
  }
}

/** A registry over real gRPC that serves WatchRoutes and nothing else. */
export class FakeRegistry {
  readonly hellos: routeService.RouterHello[] = [];
  readonly authorizations: (string | undefined)[] = [];
  totals: routeService.RouterTotals | undefined;
  private acknowledged = -1n;
  private snapshot = routeSnapshot(0, [], []);
  private readonly streams = new Set<MessageQueue<routeService.WatchRoutesResponse>>();
  private readonly waiting = new Set<() => void>();
  private server: GrpcServer | undefined;
  port = 0;

  async start(): Promise<this> {
    this.server = new GrpcServer(
      implement(routeService.RouteServiceDefinition, { watchRoutes: (requests, call) => this.watch(requests, call) }),
    );
    this.port = await this.server.listen({ host: HOST, port: this.port });
    return this;
  }

  get address(): string {
    return `${HOST}:${this.port}`;
  }

  /** What a stream that opens from now on gets first. */
  hold(snapshot: routeService.RouteSnapshot): void {
    this.snapshot = snapshot;
  }

  /** Tells the open streams; resolves when the router has acknowledged it. */
  async tell(delta: Parameters<typeof routeService.RouteDelta.create>[0]): Promise<void> {
    const value = routeService.RouteDelta.create(delta ?? {});
    for (const stream of this.streams) stream.push({ kind: { $case: 'delta', value } });
    await this.until(() => this.acknowledged >= value.revision);
  }

  async untilAcknowledged(revision: number): Promise<void> {
    await this.until(() => this.acknowledged >= BigInt(revision));
  }

  /** Resolves once something that the router said makes `holds` true. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  async kill(): Promise<void> {
    await this.server?.close();
  }

  private async *watch(
    requests: AsyncIterable<routeService.WatchRoutesRequest>,
    { metadata, signal }: ServerCall,
  ): AsyncIterable<routeService.WatchRoutesResponse> {
    const stream = new MessageQueue<routeService.WatchRoutesResponse>();
    signal.addEventListener('abort', () => stream.close());
    this.authorizations.push(metadata.get(CallMetadata.authorization));
    this.streams.add(stream);
    void this.listen(requests).catch(() => {});
    stream.push({ kind: { $case: 'snapshot', value: this.snapshot } });
    try {
      yield* stream;
    } finally {
      this.streams.delete(stream);
    }
  }

  private async listen(requests: AsyncIterable<routeService.WatchRoutesRequest>): Promise<void> {
    for await (const { kind } of requests) {
      if (kind?.$case === 'hello') this.hellos.push(kind.value);
      if (kind?.$case === 'acknowledgement') this.acknowledged = kind.value.revision;
      if (kind?.$case === 'totals') this.totals = kind.value;
      const woken = [...this.waiting];
      this.waiting.clear();
      for (const wake of woken) wake();
    }
  }
}

/** Routes by which every worker holds version 1 of `digits`, its active one. */
export function digitsOn(workers: readonly FakeWorker[], revision = 1): routeService.RouteSnapshot {
  const ready = workers.map(({ id }) => id);
  const digits = modelRoute('digits', [{ version: 1, ready }], { active: 1, labels: { stable: 1 } });
  return routeSnapshot(
    revision,
    [digits],
    workers.map((worker) => worker.route()),
  );
}
