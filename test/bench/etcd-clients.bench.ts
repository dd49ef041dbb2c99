import { setTimeout as sleep } from 'node:timers/promises';
import { openEtcdStore } from '@bms/metastore';
import { startEtcd, startEtcdCluster, type EtcdCluster } from '@bms/metastore/testkit';
import { Etcd3, type IOptions } from 'etcd3';
import { noop } from 'cockatiel';
import { defineBenchmark } from './benchmark';
import { rounded } from './percentiles';

/** A client of etcd, as far as it is compared. */
interface Client {
  put(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<unknown>;
  close(): unknown;
}

const IN_FLIGHT = 32;
/** As etcd3 is to be used: without its retry and breaker, with a deadline. */
const GUARDED: Partial<IOptions> = {
  faultHandling: { host: () => noop, global: noop },
  defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + 1_000 }),
};

async function ours(endpoints: readonly string[]): Promise<Client> {
  const store = await openEtcdStore({ endpoints });
  return {
    put: (key, value) => store.commit({ compares: [], writes: [{ put: key, value: Buffer.from(value) }] }),
    get: (key) => store.range({ key }),
    close: () => store.close(),
  };
}

function etcd3(endpoints: readonly string[], options: Partial<IOptions>): Client {
  const client = new Etcd3({ hosts: endpoints.map((endpoint) => `http://${endpoint}`), ...options });
  return {
    put: (key, value) => client.put(key).value(value).exec(),
    get: (key) => client.get(key).exec(),
    close: () => client.close(),
  };
}

/** Calls a second, with so many in flight. */
async function speed(count: number, call: (i: number) => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return (count / (performance.now() - startedMs)) * 1_000;
}

/** The longest time without an acknowledged write while the leader is killed, and how many writes failed. */
async function leaderGap(
  seconds: number,
  open: (cluster: EtcdCluster, leaderFirst: readonly string[]) => Client | Promise<Client>,
): Promise<{ gapMs: number; failed: number }> {
  const cluster = await startEtcdCluster(3);
  const leader = await cluster.leader();
  const endpoints = [leader.endpoint, ...cluster.endpoints.filter((endpoint) => endpoint !== leader.endpoint)];
  const client = await open(cluster, endpoints);
  await client.put('warm', 'up');
  const untilMs = performance.now() + seconds * 1_000;
  let [lastMs, gapMs, failed, i] = [performance.now(), 0, 0, 0];
  const killing = sleep(500).then(() => leader.kill());
  while (performance.now() < untilMs) {
    const done = await client.put(`k${i++ % 10}`, `${i}`).then(
      () => true,
      () => false,
    );
    const nowMs = performance.now();
    if (done) {
      gapMs = Math.max(gapMs, nowMs - lastMs);
      lastMs = nowMs;
    } else {
      failed += 1;
    }
    await sleep(1);
  }
  gapMs = Math.max(gapMs, performance.now() - lastMs);
  await killing;
  await client.close();
  await cluster.dispose();
  return { gapMs, failed };
}

export const etcdClients = defineBenchmark({
  name: 'etcd-clients',
  about: 'our client of etcd beside etcd3: speed of single calls, and writes when the leader of three is killed',
  knobs: {
    calls: { about: 'single calls of each kind, of each client, in each of three rounds', value: 6_000, tiny: 50 },
    watched: { about: 'how many seconds a cluster is written to whose leader is killed', value: 12, tiny: 1 },
  },
  stores: ['etcd'],
  run: async ({ calls, watched }, { say }) => {
    const etcd = await startEtcd();
    const clients = [await ours([etcd.endpoint]), etcd3([etcd.endpoint], GUARDED)] as const;
    const best = { put: [0, 0], get: [0, 0] };
    for (let round = 0; round < 3; round++) {
      for (const [which, client] of clients.entries()) {
        const put = await speed(calls, (i) => client.put(`k${i % 100}`, `${i}`));
        const get = await speed(calls, (i) => client.get(`k${i % 100}`));
        best.put[which] = Math.max(best.put[which] ?? 0, put);
        best.get[which] = Math.max(best.get[which] ?? 0, get);
      }
    }
    for (const client of clients) await client.close();
    await etcd.dispose();
    say('speed is measured');
    const gaps = [
      ['ours', await leaderGap(watched, (_, endpoints) => ours(endpoints))],
      ['etcd3, retry and breaker off, deadline 1 s', await leaderGap(watched, (_, hosts) => etcd3(hosts, GUARDED))],
      ['etcd3 as it comes', await leaderGap(watched, (_, hosts) => etcd3(hosts, {}))],
    ] as const;
    const ratio = (kind: 'put' | 'get'): number => rounded((best[kind][0] ?? 0) / (best[kind][1] ?? 1), 2);
    const [, { gapMs }] = gaps[0];
    return {
      tables: [
        {
          title: `single calls a second, ${IN_FLIGHT} in flight, best of three rounds`,
          columns: ['call', 'ours', 'etcd3', 'ratio'],
          rows: (['put', 'get'] as const).map((kind) => [kind, ...best[kind].map((one) => rounded(one)), ratio(kind)]),
        },
        {
          title: 'the leader of three is killed under a writer that asks it first',
          columns: ['client', 'longest gap between acknowledged writes, ms', 'failed writes'],
          rows: gaps.map(([client, gap]) => [client, Math.round(gap.gapMs), gap.failed]),
        },
      ],
      figures: [{ what: 'write gap', measured: `${Math.round(gapMs)} ms`, wanted: '≤ 3000 ms', met: gapMs <= 3_000 }],
    };
  },
});
