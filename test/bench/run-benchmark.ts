import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnyBenchmark, BenchmarkResult, StoreChoice } from './benchmark';

export interface RunOptions {
  readonly store: StoreChoice;
  /** Instead of the knobs' own values. */
  readonly knobs: Readonly<Record<string, number>>;
  /** As small as makes sense. */
  readonly tiny: boolean;
  readonly say: (line: string) => void;
}

/** Runs one benchmark in a folder of its own, and leaves neither folder nor processes behind. */
export async function runBenchmark(benchmark: AnyBenchmark, options: RunOptions): Promise<BenchmarkResult> {
  const folder = mkdtempSync(join(tmpdir(), 'bms-bench-'));
  const cleanUps: (() => void | Promise<void>)[] = [];
  const values = Object.entries(benchmark.knobs).map(([name, knob]) => {
    return [name, options.knobs[name] ?? (options.tiny ? knob.tiny : knob.value)] as const;
  });
  try {
    const { store, say } = options;
    return await benchmark.run(Object.fromEntries(values), {
      ...{ folder, store, say },
      atEnd: (cleanUp) => cleanUps.push(cleanUp),
    });
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
    rmSync(folder, { recursive: true, force: true });
  }
}
