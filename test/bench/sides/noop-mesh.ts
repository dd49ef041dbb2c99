import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { readServiceToken } from '@bms/auth';
import type { Transport } from '@bms/data-plane';
import type { BenchmarkContext } from '../benchmark';
import { fillStore, VERSIONS_PER_MODEL } from '../filled-store';
import { RouteProbe } from '../route-probe';
import { RunningService } from '../running-service';
import { SimulatedFleet } from '../simulated-fleet';
import { storePlace } from '../store-place';
import { startBenchProcess, type BenchProcess } from './bench-process';
import type { Side } from './side';
import { serviceFlags } from './transport-server';

export interface NoopMeshOptions {
  readonly transport: Transport;
  /** No-op workers, each a process that has every version ready. */
  readonly workers: number;
  /** Published models, of two versions each. */
  readonly models: number;
  /** Of each answer; a small one by default. */
  readonly answerBytes?: number | undefined;
  /** For the router's Node.js, besides those that it always gets; none by default. */
  readonly routerNodeFlags?: readonly string[] | undefined;
}

const FILL_BOUND_MS = 60_000;
const LOOK_MS = 20;
const READY_BOUND_MS = 60_000;

/** A real registry and a real router, with no-op workers of whom simulated ones tell the registry. */
export class NoopMesh {
  /** Through the router. */
  readonly routed: Side;
  /** The first worker, without the router. */
  readonly direct: Side;

  private constructor(
    { transport }: NoopMeshOptions,
    readonly registry: RunningService,
    readonly router: RunningService,
    readonly workers: readonly BenchProcess[],
    private readonly fleet: SimulatedFleet,
  ) {
    const pids = workers.map(({ pid }, index) => [`worker${index === 0 ? '' : index}`, pid] as const);
    const [first] = workers as [BenchProcess];
    this.routed = {
      name: `routed (${transport})`,
      address: router.grpc,
      pids: { front: router.pid, ...Object.fromEntries(pids) },
    };
    this.direct = { name: `worker direct (${transport})`, address: first.address, pids: { front: first.pid } };
  }

  /** Resolves once the router would send a request at once. @param name of its folder */
  static async start(outer: BenchmarkContext, name: string, options: NoopMeshOptions): Promise<NoopMesh> {
    const context = { ...outer, folder: join(outer.folder, name) };
    mkdirSync(context.folder, { recursive: true });
    const { transport, workers: size, models } = options;
    const place = await storePlace({ ...context, store: 'embedded' });
    const store = await place.open();
    await fillStore(store, { models, workers: size, replicas: size }, AbortSignal.timeout(FILL_BOUND_MS));
    await store.close();
    const workers: BenchProcess[] = [];
    for (let index = 0; index < size; index++) {
      const answer = options.answerBytes === undefined ? [] : ['--answer-bytes', String(options.answerBytes)];
      const flags = [...serviceFlags(transport), ...answer];
      workers.push(await startBenchProcess(context, { script: 'noop-worker', flags }));
    }
    const registry = await RunningService.start(context, 'registry', 'registry', place.flags);
    const token = readServiceToken(join(context.folder, 'data')) as string;
    const probe = await RouteProbe.start(context, registry.grpc, token);
    const addresses = workers.map(({ address }) => address);
    const fleet = await SimulatedFleet.of(context, { size, registries: [registry.grpc], token, addresses });
    fleet.start();
    await probe.until(() => probe.readyVersions(size) === models * VERSIONS_PER_MODEL);
    await probe.close();
    const flags = ['--registry', registry.grpc, ...serviceFlags(transport)];
    const router = await RunningService.start(context, 'router', 'router', flags, options.routerNodeFlags);
    await untilReady(router);
    return new NoopMesh(options, registry, router, workers, fleet);
  }

  /** What the router says. */
  get routerLog(): string {
    return this.router.log;
  }

  async stop(): Promise<void> {
    await this.fleet.close();
    for (const one of [this.router, this.registry]) await one.stop('SIGKILL');
    for (const worker of this.workers) await worker.stop();
  }
}

async function untilReady(router: RunningService): Promise<void> {
  const endMs = performance.now() + READY_BOUND_MS;
  const url = `http://${String(router.facts['operations'])}/readyz`;
  while (!(await fetch(url)).ok) {
    if (performance.now() > endMs) throw new Error(`the router is not ready after ${READY_BOUND_MS} ms`);
    await wait(LOOK_MS);
  }
}
