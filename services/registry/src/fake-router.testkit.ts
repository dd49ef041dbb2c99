import { routeService } from '@bms/contracts';
import { createClient } from '@bms/transport';
import { ObservedStream } from './observed-stream.testkit';
import type { RunningRegistry } from './running-registry.testkit';

export interface FakeRouterOptions {
  readonly incarnation?: string;
  /** The snapshot that it says it holds. */
  readonly meshId?: string;
  readonly revision?: bigint;
  /** Acknowledges at once what it gets; true by default. */
  readonly acknowledging?: boolean;
}

/** A router that follows the routes over real gRPC and keeps them as a router would. */
export class FakeRouter {
  readonly stream: ObservedStream<routeService.WatchRoutesRequest, routeService.WatchRoutesResponse>;
  readonly models = new Map<string, routeService.ModelRoute>();
  readonly workers = new Map<string, routeService.WorkerRoute>();
  acknowledging: boolean;
  revision = 0n;

  constructor(
    registry: Pick<RunningRegistry, 'dial' | 'trusted'>,
    readonly id: string,
    options: FakeRouterOptions = {},
  ) {
    this.acknowledging = options.acknowledging ?? true;
    const client = createClient(routeService.RouteServiceDefinition, registry.dial());
    this.stream = new ObservedStream(
      (requests, signal) => client.watchRoutes(requests, { ...registry.trusted, signal }),
      (response) => this.take(response),
    );
    const { incarnation = 'first', meshId = '', revision = 0n } = options;
    const value = routeService.RouterHello.create({
      routerId: id,
      incarnation,
      meshId,
      revision,
      address: `${id}:8500`,
    });
    this.stream.send({ kind: { $case: 'hello', value } });
  }

  acknowledge(): void {
    this.stream.send({ kind: { $case: 'acknowledgement', value: { revision: this.revision } } });
  }

  count(version: bigint, workerId: string, answered: bigint, failed = 0n): void {
    const ref = { tenant: 'default', model: 'digits', version };
    const value = { versions: [{ ref, workerId, calls: { answered, failed, rejected: 0n } }] };
    this.stream.send({ kind: { $case: 'totals', value } });
  }

  route(model = 'digits'): routeService.ModelRoute | undefined {
    return this.models.get(`default/${model}`);
  }

  ready(version: bigint): readonly string[] {
    return this.route()?.versions.find((one) => one.version === version)?.readyWorkers ?? [];
  }

  /** Resolves once exactly these workers are routed to for a version. */
  async routes(version: bigint, ...workers: readonly string[]): Promise<void> {
    await this.stream.until(() => String(this.ready(version)) === String(workers) || undefined);
  }

  private take({ kind }: routeService.WatchRoutesResponse): void {
    if (kind === undefined) throw new Error('an empty message');
    const { value } = kind;
    if (kind.$case === 'snapshot') {
      this.models.clear();
      this.workers.clear();
    } else {
      for (const { tenant, model } of kind.value.removedModels) this.models.delete(`${tenant}/${model}`);
      for (const id of kind.value.removedWorkers) this.workers.delete(id);
    }
    for (const route of value.models) this.models.set(`${route.tenant}/${route.model}`, route);
    for (const route of value.workers) this.workers.set(route.workerId, route);
    this.revision = value.revision;
    if (this.acknowledging) this.acknowledge();
  }
}
