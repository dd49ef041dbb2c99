import { defineBenchmark, type BenchmarkContext } from '../benchmark';
import { judged } from '../figures';
import { rounded } from '../percentiles';
import { NoopMesh } from '../sides/noop-mesh';
import { OWN_TRANSPORT } from '../sides/transport-server';
import { LOAD_KNOBS, LoadGenerator } from './load-generator';
import { alternate } from './measurement';
import { noopWorkload, type Size, type Workload } from './workload';

const knobs = {
  ...LOAD_KNOBS,
  perSecond: { about: 'small requests a second, which are timed', value: 500, tiny: 50 },
};

/** In flight: enough to keep the router and the worker busy. */
const SATURATING: Readonly<Record<string, number>> = { '1 KB': 32, '600 KB': 8 };
const NEIGHBOURS = ['1 KB', '600 KB'] as const satisfies readonly Size[];

export const mixedSizes = defineBenchmark({
  name: 'transport/mixed-sizes',
  about: 'how long small requests take while large ones, or as many small ones as go, come over other connections',
  knobs,
  stores: ['embedded'],
  run: async (values, context) => {
    const mesh = await NoopMesh.start(context, OWN_TRANSPORT, { transport: OWN_TRANSPORT, workers: 1, models: 1 });
    const load = new LoadGenerator(values, context.say);
    const measured = await alternate(NEIGHBOURS, values.rounds, (size) =>
      load.beside(mesh.routed, neighbour(context, size), () =>
        load.atRate(mesh.routed, timedWorkload(context), values.perSecond),
      ),
    );
    const p99 = (size: Size): number => measured.get(size as (typeof NEIGHBOURS)[number])?.latencies?.p99Us ?? NaN;
    return {
      tables: [
        {
          title: `1 KB requests, ${values.perSecond}/s, beside as many others as go`,
          columns: ['the others', 'p50, µs', 'p99, µs', 'p99.9, µs', 'longest, µs'],
          rows: [...measured].map(([size, { latencies }]) => [
            size,
            ...[latencies?.p50Us, latencies?.p99Us, latencies?.p999Us, latencies?.maxUs].map((us) =>
              rounded(us ?? NaN, 0),
            ),
          ]),
        },
      ],
      figures: [judged('small-beside-large', p99('600 KB') / p99('1 KB'))],
    };
  },
});

function timedWorkload(context: BenchmarkContext): Workload {
  return { ...noopWorkload(context, '1 KB'), connections: 2 };
}

function neighbour(context: BenchmarkContext, size: Size): Workload {
  return noopWorkload(context, size, SATURATING[size]);
}
