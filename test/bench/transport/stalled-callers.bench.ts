import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { defineBenchmark, type BenchmarkContext } from '../benchmark';
import { judged } from '../figures';
import { LoadConnection } from '../load/load-connection';
import { RequestTemplate } from '../load/request-template';
import { sharedClockMs } from '../load/shared-clock';
import { mebibytes, rounded } from '../percentiles';
import { memoryOf } from '../process-usage';
import { NoopMesh } from '../sides/noop-mesh';
import type { Side } from '../sides/side';
import { OWN_TRANSPORT } from '../sides/transport-server';
import { noopWorkload } from './workload';

const knobs = {
  callers: { about: 'callers that ask and then do not read', value: 100, tiny: 4 },
  answerMb: { about: 'megabytes of each answer', value: 64, tiny: 2 },
  watchMs: { about: 'how long they stand', value: 5_000, tiny: 200 },
};

const LOOK_MS = 50;
/** A router that has grown by this much keeps whole answers: enough is known, and the machine is spared. */
const ENOUGH_BYTES = 1.5e9;

export const stalledCallers = defineBenchmark({
  name: 'transport/stalled-callers',
  about: 'memory of a router whose callers ask for large answers and do not read them',
  knobs,
  stores: ['embedded'],
  run: async ({ callers, answerMb, watchMs }, context) => {
    const answerBytes = answerMb * 1e6;
    const options = { transport: OWN_TRANSPORT, workers: 1, models: 1, answerBytes };
    const { routed } = await NoopMesh.start(context, 'stalled', options);
    const grownBytes = await growth(context, routed, callers, watchMs);
    return {
      tables: [
        {
          title: `${callers} callers that do not read their ${answerMb} MB`,
          columns: ['', 'grew by, MiB', 'KiB a caller'],
          rows: [['router, at most', mebibytes(grownBytes), rounded(grownBytes / callers / 1_024)]],
        },
      ],
      figures: [judged('stalled-callers', grownBytes / callers / 1_024)],
    };
  },
});

/** The most that the router grew by while they stood. */
async function growth(context: BenchmarkContext, side: Side, count: number, watchMs: number): Promise<number> {
  const { path, headers, bodyFile } = noopWorkload(context);
  const [host, port] = side.address.split(':') as [string, string];
  const template = new RequestTemplate({ path, headers, body: readFileSync(bodyFile), authority: side.address });
  const resident = (): number => memoryOf(side.pids['front'] as number).residentBytes;
  const before = resident();
  const callers = Array.from({ length: count }, () => {
    const target = { host, port: Number(port), tls: false, template, expected: undefined };
    return new LoadConnection({ ...target, onAnswer: () => undefined });
  });
  await Promise.all(callers.map(({ ready }) => ready));
  for (const caller of callers) {
    caller.call(sharedClockMs());
    caller.stall();
  }
  let grown = 0;
  for (const untilMs = performance.now() + watchMs; performance.now() < untilMs && grown < ENOUGH_BYTES; ) {
    grown = Math.max(grown, resident() - before);
    await wait(LOOK_MS);
  }
  for (const caller of callers) caller.close();
  return grown;
}
