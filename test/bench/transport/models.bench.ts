import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { defineBenchmark, type BenchmarkContext, type Figure, type Table } from '../benchmark';
import { judged, unmeasured } from '../figures';
import { percentile, rounded } from '../percentiles';
import { ModelMesh } from '../sides/model-mesh';
import { runBareLoop } from '../sides/start-bare-loop';
import { LOAD_KNOBS, LoadGenerator } from './load-generator';
import { alternate, type Measurement } from './measurement';
import { MEASURED_MODELS, modelRequest, type MeasuredModel, type ModelFigure } from './measured-model';
import { aloneOnCore, type AloneOnCore } from './worker-alone';
import { modelWorkload } from './workload';

const IN_FLIGHT = 32;
const ROOT = join(__dirname, '../../..');
const WARM_UP_RUNS_MAX = 300;

const knobs = {
  ...LOAD_KNOBS,
  executors: { about: 'runs at once in the worker, and threads of the bare loop', value: 2, tiny: 1 },
};
type ModelKnobs = { readonly [Name in keyof typeof knobs]: number };

/** What is known of one model. */
interface Measured {
  readonly direct: Measurement;
  readonly routed: Measurement;
  /** Runs a second of the runtime alone. */
  readonly bare: number;
  /** Where the model is one to be told so much of. */
  readonly alone: AloneOnCore | undefined;
}

export const realModels = defineBenchmark({
  name: 'transport/models',
  about: 'real models on a real worker: called directly, through the router, and by the runtime alone in a loop',
  knobs,
  stores: ['embedded'],
  run: async (values, context) => {
    const all: (readonly [MeasuredModel, Measured])[] = [];
    const figures: Figure[] = [];
    for (const model of MEASURED_MODELS) {
      const file = model.file(ROOT);
      if (file === undefined || !existsSync(file)) {
        const why = `${model.name} is not there: ${model.whereFrom}`;
        context.say(`${why}; it is LEFT OUT`);
        figures.push(...model.figures.map((name) => unmeasured(name, why)));
        continue;
      }
      const measured = await measure(context, values, model, file);
      all.push([model, measured]);
      figures.push(...model.figures.map((name) => judgedOf(name, measured)));
    }
    return { tables: [tableOf(all)], figures };
  },
});

async function measure(
  context: BenchmarkContext,
  values: ModelKnobs,
  model: MeasuredModel,
  file: string,
): Promise<Measured> {
  const { executors, rounds, runMs } = values;
  const mesh = await ModelMesh.start(context, model.name, file, executors);
  const request = modelRequest(model);
  const workload = modelWorkload(context, model.name, request, await mesh.answerTo(request), IN_FLIGHT);
  // A run of a large model takes as long as many requests.
  const load = new LoadGenerator({ ...values, warmUp: Math.ceil(values.warmUp * model.warmUpShare) }, context.say);
  const warmUpRuns = Math.min(values.warmUp, WARM_UP_RUNS_MAX);
  const { input, shape } = model;
  const bare: number[] = [];
  const measured = await alternate(['direct', 'routed', 'bare'] as const, rounds, async (side) => {
    if (side !== 'bare') return await load.saturate(mesh[side], workload);
    const perSecond = await runBareLoop({ model: file, input, shape, threads: executors, warmUpRuns, runMs });
    bare.push(perSecond);
    return { perSecond, cpuUs: {}, latencies: undefined };
  });
  await mesh.stop();
  const [direct, routed] = [measured.get('direct'), measured.get('routed')] as [Measurement, Measurement];
  context.say(`${model.name}: direct ${rounded(direct.perSecond, 0)}/s, routed ${rounded(routed.perSecond, 0)}/s`);
  const alone = model.figures.includes('efficiency')
    ? await aloneOnCore(context, load, { model: model.name, file, workload, rounds })
    : undefined;
  return { direct, routed, bare: percentile(bare, 0.5), alone };
}

function judgedOf(name: ModelFigure, { direct, routed, bare, alone }: Measured): Figure {
  const us = (measurement: Measurement): number => measurement.cpuUs['front'] ?? NaN;
  switch (name) {
    case 'routed-to-direct-digits':
    case 'routed-to-direct-squeezenet':
      return judged(name, routed.perSecond / direct.perSecond / (us(direct) / (us(direct) + us(routed))));
    case 'routed-to-bare':
      return judged(name, routed.perSecond / bare);
    case 'efficiency':
      return judged(name, alone?.busyShare ?? NaN);
    case 'routed-to-direct-own-core':
      return typeof alone?.routedToDirect === 'number'
        ? judged(name, alone.routedToDirect)
        : unmeasured(name, alone?.routedToDirect ?? 'it was not asked for');
  }
}

function tableOf(all: readonly (readonly [MeasuredModel, Measured])[]): Table {
  const us = ({ cpuUs }: Measurement): number => rounded(cpuUs['front'] ?? NaN);
  return {
    title: `real models, ${IN_FLIGHT} in flight`,
    columns: [
      ...['model', 'bare loop, runs/s', 'direct/s', 'routed/s', 'routed ÷ direct', 'routed ÷ bare'],
      ...['CPU of the worker, µs', 'CPU of the router, µs'],
    ],
    rows: all.map(([{ name }, { bare, direct, routed }]) => [
      ...[name, rounded(bare, 0), rounded(direct.perSecond, 0), rounded(routed.perSecond, 0)],
      ...[rounded(routed.perSecond / direct.perSecond, 2), rounded(routed.perSecond / bare, 2)],
      ...[us(direct), us(routed)],
    ]),
  };
}
