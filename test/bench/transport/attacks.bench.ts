import { setTimeout as wait } from 'node:timers/promises';
import { ATTACKS, type Attack, type Attacked } from '@bms/h2/testkit';
import { defineBenchmark } from '../benchmark';
import { judged } from '../figures';
import { rounded } from '../percentiles';
import { memoryOf, watchPeak } from '../process-usage';
import { NoopMesh } from '../sides/noop-mesh';
import { OWN_TRANSPORT } from '../sides/transport-server';
import { LOAD_KNOBS, LoadGenerator } from './load-generator';
import { noopWorkload } from './workload';

const knobs = {
  ...LOAD_KNOBS,
  runMs: { about: 'how long each attack lasts', value: 3_000, tiny: 200 },
  perSecond: { about: 'requests a second of the neighbours', value: 500, tiny: 50 },
};

/** Between the end of an attacker's connection and its next one. */
const PAUSE_MS = 50;
const LOOK_MS = 20;
const MB = 1e6;

export const attacks = defineBenchmark({
  name: 'transport/attacks',
  about: 'what hostile connections, one at a time, cost a router in memory and its other callers in time',
  knobs,
  stores: ['embedded'],
  run: async (values, context) => {
    const { routed } = await NoopMesh.start(context, 'attacked', { transport: OWN_TRANSPORT, workers: 1, models: 1 });
    const load = new LoadGenerator(values, context.say);
    const workload = { ...noopWorkload(context), connections: 2 };
    const attacked: Attacked = { port: Number(routed.address.split(':')[1]), path: workload.path };
    const neighboursP99Us = async (): Promise<number> =>
      (await load.atRate(routed, workload, values.perSecond)).latencies?.p99Us ?? NaN;
    const calmUs = await neighboursP99Us();
    const rows: {
      readonly name: string;
      readonly launches: number;
      readonly grownBytes: number;
      readonly p99Us: number;
    }[] = [];
    for (const attack of ATTACKS) {
      context.say(attack.name);
      const pid = routed.pids['front'] as number;
      const before = memoryOf(pid).residentBytes;
      const peak = watchPeak(pid, LOOK_MS);
      const { launches, result } = await under(attack, attacked, neighboursP99Us);
      rows.push({ name: attack.name, launches, grownBytes: Math.max(0, peak.stop() - before), p99Us: result });
    }
    return {
      tables: [
        {
          title: `a router under attack, ${values.perSecond} requests/s beside it (p99 without: ${rounded(calmUs, 0)} µs)`,
          columns: ['attack', 'connections', 'grew by, MB', 'p99, µs'],
          rows: rows.map(({ name, launches, grownBytes, p99Us }) => [
            name,
            launches,
            rounded(grownBytes / MB),
            rounded(p99Us, 0),
          ]),
        },
      ],
      figures: [
        judged('attack-memory', Math.max(...rows.map(({ grownBytes }) => grownBytes)) / MB),
        judged('attack-neighbours', Math.max(...rows.map(({ p99Us }) => p99Us)) / calmUs),
      ],
    };
  },
});

/** Attacks for as long as the work takes, one connection after the other. */
async function under<T>(
  attack: Attack,
  attacked: Attacked,
  work: () => Promise<T>,
): Promise<{ readonly launches: number; readonly result: T }> {
  let launches = 0;
  let over = false;
  const attacking = (async () => {
    for (; !over; launches += 1) {
      await attack.launch(attacked);
      await wait(PAUSE_MS);
    }
  })();
  const [result] = await Promise.all([work().finally(() => (over = true)), attacking]);
  return { launches, result };
}
