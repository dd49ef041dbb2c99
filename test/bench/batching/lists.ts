import { identityModel } from '@bms/onnx-inspect/testkit';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspectOnnxFile } from '@bms/onnx-inspect';
import { alone } from '../../../services/inference-worker/src/servables/executor';
import { loadExecutor } from './bench-model';

/** Runs of a model that takes no time, by how many go to the executor in one message. */
export interface ListCost {
  readonly runsPerMessage: number;
  readonly runsPerSecond: number;
  /** Processor time of the whole process. */
  readonly cpuUsPerRun: number;
}

export async function listCosts(folder: string, sizes: readonly number[], forMs: number): Promise<readonly ListCost[]> {
  const file = join(folder, 'identity.onnx');
  writeFileSync(file, identityModel());
  const executor = await loadExecutor({
    file,
    signature: (await inspectOnnxFile(file, AbortSignal.timeout(10_000))).signature,
  });
  const input = { name: 'x', datatype: 'FP32', shape: [1, 4], data: new Uint8Array(16) } as const;
  const costs: ListCost[] = [];
  for (const runsPerMessage of sizes) {
    const turn = Array.from({ length: runsPerMessage }, () => alone({ inputs: [input], outputs: ['y'] }));
    await repeat(() => executor.run(turn), forMs / 4);
    const before = process.cpuUsage();
    const startedMs = performance.now();
    const runs = (await repeat(() => executor.run(turn), forMs)) * runsPerMessage;
    const { user, system } = process.cpuUsage(before);
    const seconds = (performance.now() - startedMs) / 1_000;
    costs.push({ runsPerMessage, runsPerSecond: runs / seconds, cpuUsPerRun: (user + system) / runs });
  }
  await executor.close();
  return costs;
}

async function repeat(work: () => Promise<unknown>, forMs: number): Promise<number> {
  let times = 0;
  for (const endMs = performance.now() + forMs; performance.now() < endMs; times++) await work();
  return times;
}
