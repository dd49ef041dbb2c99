import { setTimeout as wait } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { defineBenchmark, type BenchmarkContext } from '../benchmark';
import { judged } from '../figures';
import { LoadConnection } from '../load/load-connection';
import { RequestTemplate } from '../load/request-template';
import { sharedClockMs } from '../load/shared-clock';
import { NOOP_ANSWER } from '../noop-answer';
import { mebibytes, rounded } from '../percentiles';
import { memoryOf } from '../process-usage';
import { NoopMesh } from '../sides/noop-mesh';
import type { Side } from '../sides/side';
import { OWN_TRANSPORT } from '../sides/transport-server';
import { LoadGenerator } from './load-generator';
import { noopWorkload } from './workload';

const knobs = {
  requests: {
    about: 'requests in all; memory is looked at after a hundredth and at the end',
    value: 1_000_000,
    tiny: 500,
  },
  settleMs: { about: 'how long what a burst has left is given to be collected', value: 3_000, tiny: 50 },
  callers: { about: 'callers that stay connected and idle', value: 5_000, tiny: 20 },
};

/** Of another caller, so that what the idle ones' beginning has left is collected as it would be. */
const REQUESTS_BESIDE = 20_000;
/** Fewer than a server lets begin at once from one address. */
const CALLERS_AT_ONCE = 100;

export const memory = defineBenchmark({
  name: 'transport/memory',
  about: 'memory of router and worker after many requests, and of callers that are connected and idle',
  knobs,
  stores: ['embedded'],
  run: async ({ requests, callers, settleMs }, context) => {
    const start = (name: string): Promise<NoopMesh> =>
      NoopMesh.start(context, name, { transport: OWN_TRANSPORT, workers: 1, models: 1 });
    const idle = await start('idle');
    const perCaller = await idleCallers(context, idle.routed, callers, {
      settleMs,
      beside: Math.min(requests, REQUESTS_BESIDE),
    });
    await idle.stop();
    const busy = await start('busy');
    const grown = await growth(context, busy.routed, requests);
    const row = (role: string): (string | number)[] => [
      role === 'front' ? 'router' : role,
      ...[grown.early, grown.late].map((bytes) => mebibytes(bytes[role] ?? NaN)),
    ];
    const ratio = (role: string): number => (grown.late[role] ?? NaN) / (grown.early[role] ?? NaN);
    return {
      tables: [
        {
          title: 'RSS, MiB, by 1 KB requests so far',
          columns: ['', String(requests / 100), String(requests)],
          rows: [row('front'), row('worker')],
        },
        { title: 'idle callers', columns: ['callers', 'KB each'], rows: [[callers, rounded(perCaller / 1_000)]] },
      ],
      figures: [
        judged('memory-router', ratio('front')),
        judged('memory-worker', ratio('worker')),
        judged('idle-callers', perCaller / 1_000),
      ],
    };
  },
});

/** Bytes by role. */
type Resident = Readonly<Record<string, number>>;

async function growth(
  context: BenchmarkContext,
  side: Side,
  requests: number,
): Promise<{ readonly early: Resident; readonly late: Resident }> {
  const load = new LoadGenerator({ warmUp: 0, runMs: 0 }, context.say);
  const workload = noopWorkload(context);
  const early = requests / 100;
  await load.firstRequests(side, workload, early);
  const after = residentOf(side);
  await load.firstRequests(side, workload, requests - early);
  return { early: after, late: residentOf(side) };
}

/** What a router grows by for each caller that has made one call and stays, while another one goes on. */
async function idleCallers(
  context: BenchmarkContext,
  side: Side,
  count: number,
  { settleMs, beside }: { readonly settleMs: number; readonly beside: number },
): Promise<number> {
  const load = new LoadGenerator({ warmUp: 0, runMs: 0 }, context.say);
  const settled = async (): Promise<number> => {
    await load.firstRequests(side, noopWorkload(context), beside);
    await wait(settleMs);
    return residentOf(side)['front'] as number;
  };
  const { path, headers, bodyFile } = noopWorkload(context);
  const [host, port] = side.address.split(':') as [string, string];
  const body = readFileSync(bodyFile);
  const template = new RequestTemplate({ path, headers, body, authority: side.address });
  const callers: LoadConnection[] = [];
  const open = async (): Promise<void> => {
    const answered = new Promise<void>((resolve, reject) => {
      const caller = new LoadConnection({
        ...{ host, port: Number(port), tls: false, template, expected: Buffer.from(NOOP_ANSWER) },
        onAnswer: (_sentAtMs, failure) => (failure === undefined ? resolve() : reject(new Error(failure))),
      });
      callers.push(caller);
      caller.ready.then(() => caller.call(sharedClockMs()), reject);
    });
    await answered;
  };
  const openAll = async (wanted: number): Promise<void> => {
    while (callers.length < wanted) {
      await Promise.all(Array.from({ length: Math.min(CALLERS_AT_ONCE, wanted - callers.length) }, open));
    }
  };
  // The first ones make what all share.
  const shared = Math.min(CALLERS_AT_ONCE, Math.ceil(count / 10));
  await openAll(shared);
  const before = await settled();
  await openAll(shared + count);
  const after = await settled();
  for (const caller of callers) caller.close();
  return (after - before) / count;
}

function residentOf({ pids }: Side): Resident {
  return Object.fromEntries(Object.entries(pids).map(([role, pid]) => [role, memoryOf(pid).residentBytes]));
}
