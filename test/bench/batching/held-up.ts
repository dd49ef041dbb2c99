import { monitorEventLoopDelay } from 'node:perf_hooks';
import { identityModel } from '@bms/onnx-inspect/testkit';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspectOnnxFile } from '@bms/onnx-inspect';
import { alone } from '../../../services/inference-worker/src/servables/executor';
import { loadExecutor } from './bench-model';

const MIB = 2 ** 20;

/** How long this thread stood still while an executor had one large request after the other. */
export interface HeldUp {
  readonly inputMiB: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

export async function heldUpBy(folder: string, sizesMiB: readonly number[], forMs: number): Promise<readonly HeldUp[]> {
  const file = join(folder, 'bytes.onnx');
  writeFileSync(file, identityModel('UINT8', ['n']));
  const executor = await loadExecutor({
    file,
    signature: (await inspectOnnxFile(file, AbortSignal.timeout(10_000))).signature,
  });
  const all: HeldUp[] = [];
  for (const inputMiB of sizesMiB) {
    const data = new Uint8Array(inputMiB * MIB).fill(1);
    const turn = [alone({ inputs: [{ name: 'x', datatype: 'UINT8', shape: [data.length], data }], outputs: ['y'] })];
    await executor.run(turn);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    for (const endMs = performance.now() + forMs; performance.now() < endMs; ) await executor.run(turn);
    delay.disable();
    // The sampler's own tick is a millisecond.
    const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - 1);
    all.push({ inputMiB, p99Ms: ms(delay.percentile(99)), longestMs: ms(delay.max) });
  }
  await executor.close();
  return all;
}
