import type { Executor } from '../../../services/inference-worker/src/servables/executor';
import { loadExecutor, rowsOf, type BenchModel } from './bench-model';

/** Rows a second of so many executors, each with one turn after the other and nothing else to do. */
export interface SideBySide {
  readonly executors: number;
  readonly rowsPerSecond: number;
}

/** Measures each number in turn, `rounds` times; all of it. */
export async function sideBySide(
  model: BenchModel,
  rows: number,
  counts: readonly number[],
  rounds: number,
  forMs: number,
): Promise<readonly SideBySide[]> {
  const most = Math.max(...counts);
  const all = await Promise.all(Array.from({ length: most }, () => loadExecutor(model)));
  const measured: SideBySide[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const executors of counts) {
      measured.push({ executors, rowsPerSecond: await rowsPerSecond(all.slice(0, executors), rows, forMs) });
    }
  }
  await Promise.all(all.map((executor) => executor.close()));
  return measured;
}

async function rowsPerSecond(executors: readonly Executor[], rows: number, forMs: number): Promise<number> {
  const batch = { requests: [{ inputs: [rowsOf(rows)], outputs: ['y'] }], paddingRows: 0 };
  const startedMs = performance.now();
  let runs = 0;
  const feed = async (executor: Executor): Promise<void> => {
    for (; performance.now() - startedMs < forMs; runs += 2) await executor.run([batch, batch]);
  };
  await Promise.all(executors.map(feed));
  return (runs * rows * 1_000) / (performance.now() - startedMs);
}
