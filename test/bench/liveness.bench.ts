import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { readServiceToken } from '@bms/auth';
import { defineBenchmark, type BenchmarkContext } from './benchmark';
import { fillStore } from './filled-store';
import { rounded } from './percentiles';
import { cpuSecondsOf } from './process-usage';
import { metricIn, RunningService } from './running-service';
import { SimulatedFleet } from './simulated-fleet';
import { storePlace, type StorePlace } from './store-place';

interface Measured {
  readonly workers: number;
  readonly registries: number;
  /** Open at the end of the time measured, in all. */
  readonly streams: number;
  /** Of a second; all registries together. */
  readonly etcdCpu: number;
  readonly registryCpu: number;
  readonly writesPerSecond: number;
  readonly keepAlivesPerSecond: number;
}

export const liveness = defineBenchmark({
  name: 'liveness',
  about: 'what it costs etcd and the registries that idle workers are known to be alive',
  knobs: {
    workers: { about: 'simulated workers; also measured with a quarter and a half', value: 500, tiny: 4 },
    seconds: { about: 'how long each is measured', value: 30, tiny: 1 },
  },
  stores: ['etcd'],
  run: async ({ workers, seconds }, context) => {
    const all: Measured[] = [];
    for (const registries of [1, 2]) {
      for (const size of [workers / 4, workers / 2, workers].map(Math.ceil)) {
        const folder = join(context.folder, `${size}-${registries}`);
        mkdirSync(folder);
        all.push(await measure(size, registries, seconds, { ...context, folder }));
      }
    }
    const perReplica = all.map(({ streams, registries }) => streams / registries);
    return {
      tables: [
        {
          title: `idle workers on etcd, TTL 10 s, over ${seconds} s`,
          columns: [
            'workers',
            'registries',
            'keep-alive streams',
            'etcd CPU, s/s',
            'registry CPU, s/s',
            'keep-alives/s',
            'writes/s',
          ],
          rows: all.map((one) => [
            ...[one.workers, one.registries, one.streams, rounded(one.etcdCpu, 3), rounded(one.registryCpu, 3)],
            ...[rounded(one.keepAlivesPerSecond), rounded(one.writesPerSecond, 2)],
          ]),
        },
      ],
      figures: [
        {
          what: `${workers} workers: keep-alive streams per replica`,
          measured: [...new Set(perReplica)].join(', '),
          wanted: '1',
          met: perReplica.every((count) => count === 1),
        },
      ],
    };
  },
});

async function measure(
  workers: number,
  registries: number,
  seconds: number,
  context: BenchmarkContext,
): Promise<Measured> {
  const place = await storePlace(context);
  const store = await place.open();
  await fillStore(store, { models: 1, workers }, AbortSignal.timeout(60_000));
  await store.close();
  const replicas: RunningService[] = [];
  for (let index = 0; index < registries; index++) {
    const state = ['--state', join(context.folder, 'registries', String(index))];
    replicas.push(await RunningService.start(context, 'registry', `registry-${index}`, [...place.flags, ...state]));
  }
  const token = readServiceToken(join(context.folder, 'data')) as string;
  const fleet = await SimulatedFleet.of(context, {
    size: workers,
    registries: replicas.map(({ grpc }) => grpc),
    token,
  });
  fleet.start();
  await fleet.attached();
  await wait(2_000); // what attaching wrote is written
  const cpu = (): number => replicas.reduce((sum, { pid }) => sum + cpuSecondsOf(pid), 0);
  const [before, cpuBefore, startedMs] = [await etcdMetrics(place), cpu(), performance.now()];
  await wait(seconds * 1_000);
  const [after, cpuAfter] = [await etcdMetrics(place), cpu()];
  const passed = (performance.now() - startedMs) / 1_000;
  const perSecond = (name: string, labels?: string): number =>
    (metricIn(after, name, labels) - metricIn(before, name, labels)) / passed;
  const keepAlive = 'grpc_method="LeaseKeepAlive"';
  const measured = {
    ...{ workers, registries },
    streams:
      metricIn(after, 'grpc_server_started_total', keepAlive) -
      (metricIn(after, 'grpc_server_handled_total', keepAlive) || 0),
    etcdCpu: perSecond('process_cpu_seconds_total'),
    registryCpu: (cpuAfter - cpuBefore) / passed,
    keepAlivesPerSecond: perSecond('grpc_server_msg_received_total', keepAlive),
    writesPerSecond: perSecond('etcd_debugging_mvcc_put_total'),
  };
  context.say(JSON.stringify(measured));
  await fleet.close();
  for (const replica of replicas) await replica.stop('SIGKILL');
  await place.etcd?.kill();
  return measured;
}

async function etcdMetrics({ etcd }: StorePlace): Promise<string> {
  return (await fetch(`http://${etcd?.endpoint ?? ''}/metrics`)).text();
}
