import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { readServiceToken } from '@bms/auth';
import { defineBenchmark, type BenchmarkContext, type KnobValues } from './benchmark';
import { fillStore, VERSIONS_PER_MODEL } from './filled-store';
import { changeLabels } from './label-changes';
import { mebibytes, percentile, rounded } from './percentiles';
import { memoryOf } from './process-usage';
import { RouteProbe } from './route-probe';
import { RunningService } from './running-service';
import { SimulatedFleet } from './simulated-fleet';
import { storePlace } from './store-place';

const FILL_BOUND_MS = 600_000;
const LOOK_MS = 50;
const LAG = 'nodejs_eventloop_lag_max_seconds';

const knobs = {
  models: {
    about: 'published models, of two versions each; also measured with a tenth and a hundredth',
    value: 10_000,
    tiny: 20,
  },
  workers: { about: 'simulated workers that have them ready', value: 500, tiny: 4 },
  routers: { about: 'routers, each a process', value: 3, tiny: 1 },
  changes: { about: 'labels moved, one after the other', value: 120, tiny: 3 },
  leaseTtlMs: { about: 'how long a lost worker counts as alive', value: 10_000, tiny: 1_000 },
};

/** One mesh, measured. Times are milliseconds. */
interface Measured {
  readonly models: number;
  readonly fillMs: number;
  readonly restartMs: number;
  readonly restartBytes: number;
  readonly readyMs: number;
  readonly readyBytes: number;
  readonly snapshot: { readonly bytes: number; readonly ms: number };
  readonly labelMs: readonly number[];
  readonly bytesPerChange: number;
  /** The longest that the registry's event loop stood still, by what went on. */
  readonly stalls: { readonly attach: number; readonly labels: number; readonly death: number };
}

export const manyModels = defineBenchmark({
  name: 'many-models',
  about: 'a registry with thousands of models: its start, its memory, and one change until all routers have it',
  knobs,
  stores: ['embedded', 'etcd'],
  run: async (values, context) => {
    const sizes = [...new Set([values.models / 100, values.models / 10, values.models].map(Math.ceil))];
    const all: Measured[] = [];
    for (const models of sizes) all.push(await measure(models, values, inFolder(context, `models-${models}`)));
    const last = all[all.length - 1] as Measured;
    const p99 = percentile(last.labelMs, 0.99);
    const bytes = all.map(({ bytesPerChange }) => bytesPerChange);
    return {
      tables: [
        { title: `registry on ${context.store}, ${values.workers} workers, ${values.routers} routers`, ...table(all) },
      ],
      figures: [
        {
          what: 'registry ready after restart',
          measured: `${rounded(last.restartMs / 1000, 2)} s`,
          wanted: '≤ 5 s',
          met: last.restartMs <= 5_000,
        },
        {
          what: 'RSS after restart',
          measured: `${mebibytes(last.restartBytes)} MiB`,
          wanted: '≤ 400 MB',
          met: last.restartBytes <= 400e6,
        },
        {
          what: `one label to ${values.routers} routers, p99 of ${last.labelMs.length}`,
          measured: `${rounded(p99)} ms`,
          wanted: '≤ 250 ms',
          met: p99 <= 250,
        },
        {
          what: 'bytes to one router for one change, by the number of models',
          measured: bytes.join(', '),
          wanted: 'the same',
          met: Math.max(...bytes) <= Math.min(...bytes) * 1.1,
        },
      ],
    };
  },
});

async function measure(models: number, values: KnobValues<typeof knobs>, context: BenchmarkContext): Promise<Measured> {
  const { workers } = values;
  const place = await storePlace(context);
  const fillMs = await timed(async () => {
    const store = await place.open();
    await fillStore(store, { models, workers }, AbortSignal.timeout(FILL_BOUND_MS));
    await store.close();
  });
  const flags = [...place.flags, '--lease-ttl-ms', String(values.leaseTtlMs)];
  const first = await RunningService.start(context, 'registry', 'registry', flags);
  await first.stop('SIGKILL');
  const registry = await RunningService.start(context, 'registry', 'registry', flags);
  const restartBytes = memoryOf(registry.pid).residentBytes;
  context.say(`${models} models: ready in ${rounded(registry.startMs)} ms with ${mebibytes(restartBytes)} MiB`);

  const token = readServiceToken(join(context.folder, 'data')) as string;
  const probe = await RouteProbe.start(context, registry.grpc, token);
  const fleet = await SimulatedFleet.of(context, { size: workers, registries: [registry.grpc], token });
  await registry.metric(LAG); // what comes before does not count
  const versions = models * VERSIONS_PER_MODEL;
  const readyMs = await timed(async () => {
    fleet.start();
    await probe.until(() => probe.readyVersions(2) === versions);
  });
  const attach = await registry.metric(LAG);
  const readyBytes = memoryOf(registry.pid).residentBytes;
  context.say(`${versions} versions on ${workers} workers after ${rounded(readyMs)} ms, ${mebibytes(readyBytes)} MiB`);

  const latecomer = await RouteProbe.start(context, registry.grpc, token);
  const routers = await startRouters(context, registry, values.routers);
  // The first is acknowledged once each router has a connection to every worker.
  await changeLabels({ registry: registry.grpc, token, models, changes: 1 });
  await registry.metric(LAG);
  const [bytesBefore, changes] = [probe.deltaBytes, Math.min(values.changes, models * 50)];
  const labelMs = await changeLabels({ registry: registry.grpc, token, models, changes });
  const bytesPerChange = Math.round((probe.deltaBytes - bytesBefore) / changes);
  const labels = await registry.metric(LAG);
  context.say(`a label takes ${rounded(percentile(labelMs, 0.5))} ms, p99 ${rounded(percentile(labelMs, 0.99))} ms`);

  await fleet.loseOne();
  // The lease runs out, and what the worker held is brought to others.
  await probe.until(() => probe.readyVersions(2) < versions);
  const replacedMs = await timed(() => probe.until(() => probe.readyVersions(2) === versions));
  const death = await registry.metric(LAG);
  context.say(`a lost worker's versions were ready elsewhere ${rounded(replacedMs)} ms after it was given up`);
  await Promise.all([fleet.close(), probe.close(), latecomer.close()]);
  for (const one of [...routers, registry]) await one.stop('SIGKILL');
  return {
    ...{ models, fillMs, restartMs: registry.startMs, restartBytes, readyMs, readyBytes },
    ...{ snapshot: latecomer.snapshot ?? { bytes: NaN, ms: NaN }, labelMs, bytesPerChange },
    stalls: { attach: attach * 1000, labels: labels * 1000, death: death * 1000 },
  };
}

async function startRouters(
  context: BenchmarkContext,
  registry: RunningService,
  routers: number,
): Promise<readonly RunningService[]> {
  const started: RunningService[] = [];
  const before = await registry.metric('bms_attached_routers');
  for (let index = 0; index < routers; index++) {
    const flags = ['--registry', registry.grpc, '--state', join(context.folder, 'routers', String(index))];
    started.push(await RunningService.start(context, 'router', `router-${index}`, flags));
  }
  while ((await registry.metric('bms_attached_routers')) < before + routers) await wait(LOOK_MS);
  return started;
}

function table(all: readonly Measured[]): { columns: string[]; rows: (string | number)[][] } {
  const row = (what: string, of: (one: Measured) => number): (string | number)[] => [
    what,
    ...all.map((one) => rounded(of(one))),
  ];
  return {
    columns: ['', ...all.map(({ models }) => `${models} models`)],
    rows: [
      row('store filled, ms', ({ fillMs }) => fillMs),
      row('registry ready after restart, ms', ({ restartMs }) => restartMs),
      row('RSS then, MiB', ({ restartBytes }) => mebibytes(restartBytes)),
      row('all versions ready on two workers, ms', ({ readyMs }) => readyMs),
      row('RSS then, MiB', ({ readyBytes }) => mebibytes(readyBytes)),
      row('route snapshot, bytes', ({ snapshot }) => snapshot.bytes),
      row('route snapshot, ms until a router has it', ({ snapshot }) => snapshot.ms),
      row('label until all routers acknowledged, p50, ms', ({ labelMs }) => percentile(labelMs, 0.5)),
      row('label until all routers acknowledged, p99, ms', ({ labelMs }) => percentile(labelMs, 0.99)),
      row('bytes to one router for one change', ({ bytesPerChange }) => bytesPerChange),
      row('longest stall while workers attach and report, ms', ({ stalls }) => stalls.attach),
      row('longest stall while labels move, ms', ({ stalls }) => stalls.labels),
      row('longest stall after a worker died, ms', ({ stalls }) => stalls.death),
    ],
  };
}

function inFolder(context: BenchmarkContext, name: string): BenchmarkContext {
  const folder = join(context.folder, name);
  mkdirSync(folder);
  return { ...context, folder };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}
