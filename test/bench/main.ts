import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { AnyBenchmark, BenchmarkResult, StoreChoice } from './benchmark';
import { BENCHMARKS } from './benchmarks';
import { machine } from './machine';
import { asMarkdown, asText } from './result-text';
import { runBenchmark } from './run-benchmark';
import { svgOf } from './svg-plot';

/** Not kept by git. */
const OUT_DEFAULT = '.bench';
const USAGE = `npm run bench [-- NAME …] [--store embedded|etcd] [--KNOB N] [--tiny]
  [--json | --markdown] [--out FOLDER] [--list]
Without a name, all benchmarks run, on every store that each knows; a name such as transport means all that begin with transport/.
Each writes its result as JSON, and its plots as SVG, into FOLDER (${OUT_DEFAULT}). Exit code 1: a figure was
missed, or a benchmark failed; those after it are run all the same.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ list: { type: 'boolean' }, json: { type: 'boolean' }, tiny: { type: 'boolean' }, help: { type: 'boolean' } },
    ...{ store: { type: 'string' }, out: { type: 'string', default: OUT_DEFAULT }, markdown: { type: 'boolean' } },
    ...Object.fromEntries(
      BENCHMARKS.flatMap(({ knobs }) => Object.keys(knobs)).map((name) => [name, { type: 'string' } as const]),
    ),
  },
});

function chosen(): readonly AnyBenchmark[] {
  const means = (wanted: string, { name }: AnyBenchmark): boolean => name === wanted || name.startsWith(`${wanted}/`);
  const unknown = positionals.filter((wanted) => !BENCHMARKS.some((one) => means(wanted, one)));
  if (unknown.length > 0) throw new Error(`there is no benchmark ${unknown.join(', ')}: see --list`);
  if (positionals.length === 0) return BENCHMARKS;
  return BENCHMARKS.filter((one) => positionals.some((wanted) => means(wanted, one)));
}

function knobsOf({ knobs }: AnyBenchmark): Record<string, number> {
  return Object.fromEntries(
    Object.keys(knobs).flatMap((name) => {
      const given = (values as Readonly<Record<string, unknown>>)[name];
      if (typeof given !== 'string') return [];
      if (!/^[1-9][0-9]{0,6}$/.test(given))
        throw new Error(`--${name} is ${given}: a whole number from 1 on is allowed`);
      return [[name, Number(given)]];
    }),
  );
}

function storesOf({ name, stores }: AnyBenchmark): readonly StoreChoice[] {
  if (values.store === undefined) return stores;
  const store = stores.find((one) => one === values.store);
  if (store === undefined) throw new Error(`--store is ${values.store}: ${name} runs on ${stores.join(' and ')}`);
  return [store];
}

function list(): string {
  return BENCHMARKS.map(({ name, about, stores, knobs }) =>
    [
      `${name} (${stores.join(', ')}): ${about}`,
      ...Object.entries(knobs).map(([knob, { about: what, value }]) => `  --${knob} ${value}: ${what}`),
    ].join('\n'),
  ).join('\n');
}

function keep(name: string, json: string, { plots = [] }: BenchmarkResult): void {
  mkdirSync(values.out, { recursive: true });
  writeFileSync(join(values.out, `${name}.json`), `${json}\n`);
  if (plots.length > 0) writeFileSync(join(values.out, `${name}.svg`), svgOf(plots));
}

async function runOne(benchmark: AnyBenchmark, store: StoreChoice): Promise<void> {
  const { name } = benchmark;
  const say = (line: string): void => console.error(`${name} on ${store}: ${line}`);
  const options = { store, say, knobs: knobsOf(benchmark), tiny: values.tiny === true };
  const result = await runBenchmark(benchmark, options);
  const json = JSON.stringify({ benchmark: name, store, machine: machine(), ...result });
  if (values.json === true) console.log(json);
  else console.log(`${name} on ${store}\n\n${values.markdown === true ? asMarkdown(result) : asText(result)}\n`);
  keep(`${name.replaceAll('/', '-')}-${store}`, json, result);
  if (result.figures.some(({ met }) => met === false)) process.exitCode = 1;
}

async function main(): Promise<void> {
  if (values.help === true) return console.log(USAGE);
  if (values.list === true) return console.log(list());
  const runs = chosen().flatMap((benchmark) => storesOf(benchmark).map((store) => [benchmark, store] as const));
  console.error(machine());
  for (const [benchmark, store] of runs) {
    try {
      await runOne(benchmark, store);
    } catch (error) {
      console.error(`${benchmark.name} on ${store} FAILED: ${error instanceof Error ? error.stack : String(error)}`);
      process.exitCode = 1;
    }
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
