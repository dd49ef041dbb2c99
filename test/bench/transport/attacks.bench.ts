import { setTimeout as wait } from 'node:timers/promises';
import { ATTACKS, type Attack, type Attacked } from '@bms/h2/testkit';
import { defineBenchmark } from '../benchmark';
import { judged } from '../figures';
import { percentile, rounded } from '../percentiles';
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

interface Row {
  readonly name: string;
  readonly launches: number;
  readonly grownBytes: number;
  readonly p99Us: number;
}

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
    const calm: number[] = [];
    for (let round = 0; round < values.rounds; round += 1) calm.push(await neighboursP99Us());
    const calmUs = percentile(calm, 0.5);
    const rows: Row[] = [];
    for (const attack of ATTACKS) {
      context.say(attack.name);
      const pid = routed.pids['front'] as number;
      rows.push({ name: attack.name, ...(await under(attack, attacked, pid, neighboursP99Us)) });
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

/** Attacks for as long as the neighbours are timed, by one connection after the other; memory is that of the first one. */
async function under(
  attack: Attack,
  attacked: Attacked,
  pid: number,
  neighboursP99Us: () => Promise<number>,
): Promise<Omit<Row, 'name'>> {
  const before = memoryOf(pid).residentBytes;
  const peak = watchPeak(pid, LOOK_MS);
  let grownBytes: number | undefined;
  let launches = 0;
  let over = false;
  const attacking = (async () => {
    for (; !over; launches += 1) {
      await attack.launch(attacked);
      grownBytes ??= Math.max(0, peak.stop() - before);
      await wait(PAUSE_MS);
    }
  })();
  const [p99Us] = await Promise.all([neighboursP99Us().finally(() => (over = true)), attacking]);
  return { launches, p99Us, grownBytes: grownBytes ?? 0 };
}
