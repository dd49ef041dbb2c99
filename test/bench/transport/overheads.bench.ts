import { defineBenchmark, type BenchmarkContext } from '../benchmark';
import { judged } from '../figures';
import { percentile, rounded } from '../percentiles';
import { NoopMesh } from '../sides/noop-mesh';
import { OWN_TRANSPORT } from '../sides/transport-server';
import { LOAD_KNOBS, LoadGenerator } from './load-generator';
import { alternate, type Measurement } from './measurement';
import { noopWorkload, type Workload } from './workload';

const knobs = {
  ...LOAD_KNOBS,
  models: { about: "published models in the large mesh's routes", value: 1_000, tiny: 10 },
  first: { about: 'requests that a fresh router is measured with', value: 2_000, tiny: 20 },
};
type Values = { readonly [Name in keyof typeof knobs]: number };

const HEADERS = 20;

export const overheads = defineBenchmark({
  name: 'transport/overheads',
  about: "what makes the router's work dearer: more headers, more models, and having just been started",
  knobs,
  stores: ['embedded'],
  run: async (values, context) => {
    const load = new LoadGenerator(values, context.say);
    const small = await start(context, 'small', 1);
    const headers = await withHeaders(context, load, small, values);
    const growth = await withModels(context, load, small, values);
    const cold = await whenFresh(context, load, values);
    return {
      tables: [
        {
          title: 'CPU of the router per 1 KB request, 4 × 8 in flight, µs',
          columns: ['', 'without', 'with'],
          rows: [
            [`${HEADERS} literal headers`, rounded(headers.without), rounded(headers.with)],
            [`${values.models} models instead of 1`, rounded(growth.without), rounded(growth.with)],
            [`the first ${values.first} requests instead of later ones`, rounded(cold.without), rounded(cold.with)],
          ],
        },
      ],
      figures: [
        judged('headers', headers.with - headers.without),
        judged('growth', growth.with / growth.without),
        judged('cold-start', cold.with / cold.without),
      ],
    };
  },
});

/** The router's microseconds a request. */
interface Compared {
  readonly without: number;
  readonly with: number;
}

async function start(context: BenchmarkContext, name: string, models: number): Promise<NoopMesh> {
  return await NoopMesh.start(context, name, { transport: OWN_TRANSPORT, workers: 1, models });
}

/** By our own generator: h2load would send them as references to a table from the second request on. */
async function withHeaders(
  context: BenchmarkContext,
  load: LoadGenerator,
  { routed }: NoopMesh,
  { rounds }: Values,
): Promise<Compared> {
  const without = noopWorkload(context);
  const names = Array.from({ length: HEADERS }, (_, index) => [`x-bench-header-${index}`, `value ${index} of twenty`]);
  const loaded: Workload = { ...without, headers: Object.fromEntries(names) as Record<string, string> };
  const measured = await alternate([without, loaded], rounds, (workload) => load.timed(routed, workload));
  return { without: frontUs(measured.get(without)), with: frontUs(measured.get(loaded)) };
}

async function withModels(
  context: BenchmarkContext,
  load: LoadGenerator,
  small: NoopMesh,
  { models, rounds }: Values,
): Promise<Compared> {
  const large = await start(context, 'large', models);
  const workload = noopWorkload(context);
  const measured = await alternate([small, large], rounds, ({ routed }) => load.saturate(routed, workload));
  await large.stop();
  return { without: frontUs(measured.get(small)), with: frontUs(measured.get(large)) };
}

/** A mesh of its own each time; then the same router once it is warm. */
async function whenFresh(context: BenchmarkContext, load: LoadGenerator, { first, rounds }: Values): Promise<Compared> {
  const workload = noopWorkload(context);
  const fresh: number[] = [];
  const warm: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const mesh = await start(context, `fresh-${round}`, 1);
    fresh.push(frontUs(await load.firstRequests(mesh.routed, workload, first)));
    warm.push(frontUs(await load.timed(mesh.routed, workload)));
    await mesh.stop();
  }
  return { without: percentile(warm, 0.5), with: percentile(fresh, 0.5) };
}

function frontUs(measurement: Measurement | undefined): number {
  return measurement?.cpuUs['front'] ?? NaN;
}
