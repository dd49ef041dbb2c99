// `npm run fuzz`; scripts/fuzz.js starts it, and watches that it goes on.
import { parseArgs } from 'node:util';
import { Target } from '@bms/h2/testkit';
import { FuzzCase } from './fuzz-case';
import { FuzzRun } from './fuzz-run';

const FRAMES = 200_000;
const FRAMES_LONG = 10_000_000;

const { values } = parseArgs({
  options: {
    long: { type: 'boolean' },
    frames: { type: 'string' },
    seed: { type: 'string' },
    case: { type: 'string' },
  },
});

async function replay(seed: number, index: number): Promise<void> {
  const one = new FuzzCase(seed, index);
  console.log(one.describe());
  const target = await Target.start();
  await one.run(target);
  await target.close();
  console.log(target.internalErrors.length === 0 ? 'nothing is wrong with it, alone' : target.internalErrors);
}

async function main(): Promise<void> {
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  if (values.case !== undefined) return replay(seed, Number(values.case));
  const frames = values.frames === undefined ? (values.long === true ? FRAMES_LONG : FRAMES) : Number(values.frames);
  console.log(`seed ${seed}, ${frames} bent frames`);
  const startedMs = performance.now();
  const run = new FuzzRun({ seed, frames, onProgress: (nextCase, sent) => process.send?.({ seed, nextCase, sent }) });
  await run.run();
  console.log(run.coverage.toString());
  const { missing } = run.coverage;
  console.log(missing.length === 0 ? 'every frame has met every state' : `never met: ${missing.join(', ')}`);
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  console.log(
    `${run.coverage.frames} bent frames in ${run.cases} sessions, ${seconds} s: no crash, no hang, no growth`,
  );
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
