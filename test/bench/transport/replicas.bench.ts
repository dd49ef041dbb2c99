import { defineBenchmark } from '../benchmark';
import { rounded } from '../percentiles';
import { NoopMesh } from '../sides/noop-mesh';
import { OWN_TRANSPORT } from '../sides/transport-server';
import { LOAD_KNOBS, LoadGenerator } from './load-generator';
import { alternate } from './measurement';
import { noopWorkload } from './workload';

const COUNTS = [1, 2, 4] as const;

export const replicas = defineBenchmark({
  name: 'transport/replicas',
  about: 'requests a second through one router by the number of workers that hold the model and take no time',
  knobs: LOAD_KNOBS,
  stores: ['embedded'],
  run: async (knobs, context) => {
    const load = new LoadGenerator(knobs, context.say);
    const meshes: NoopMesh[] = [];
    for (const workers of COUNTS) {
      const options = { transport: OWN_TRANSPORT, workers, models: 1 };
      meshes.push(await NoopMesh.start(context, `workers-${workers}`, options));
    }
    const workload = noopWorkload(context);
    const measured = await alternate(meshes, knobs.rounds, ({ routed }) => load.saturate(routed, workload));
    const runs = [...measured.values()];
    return {
      tables: [
        {
          title: 'routed, 1 KB, 4 × 8 in flight, by workers',
          columns: ['', ...COUNTS.map(String)],
          rows: [
            ['requests/s', ...runs.map(({ perSecond }) => rounded(perSecond, 0))],
            ['CPU of the router, µs a request', ...runs.map(({ cpuUs }) => rounded(cpuUs['front'] ?? NaN))],
          ],
        },
      ],
      figures: [],
      plots: [
        {
          ...{ title: 'Requests a second, 1 KB, by workers', xLabel: 'workers', yLabel: 'requests/s' },
          ...{ logarithmic: false, places: COUNTS.map(String) },
          lines: [{ name: `routed (${OWN_TRANSPORT})`, values: runs.map(({ perSecond }) => perSecond) }],
        },
      ],
    };
  },
});
