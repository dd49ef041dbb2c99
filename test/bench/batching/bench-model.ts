import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspectOnnxFile } from '@bms/onnx-inspect';
import { perceptronModel } from '@bms/onnx-inspect/testkit';
import type { models } from '@bms/contracts';
import type { Tensor } from '@bms/tensor';
import { OnnxExecutor } from '../../../services/inference-worker/src/servables/onnx-executor';

export const WIDTHS = [256, 1024, 1024, 16] as const;
/** What a worker takes by default. */
const ANSWER_LIMIT_BYTES = 64 * 2 ** 20;

/** A model file with its signature. */
export interface BenchModel {
  readonly file: string;
  readonly signature: models.Signature;
}

/** The perceptron, written into a folder. */
export async function writePerceptron(folder: string): Promise<BenchModel> {
  const file = join(folder, 'perceptron.onnx');
  writeFileSync(file, perceptronModel(WIDTHS));
  return { file, signature: (await inspectOnnxFile(file, AbortSignal.timeout(10_000))).signature };
}

/** An executor as a worker makes it: one thread in a run. */
export async function loadExecutor({ file }: BenchModel): Promise<OnnxExecutor> {
  const device = { provider: 'cpu', index: undefined };
  const executor = OnnxExecutor.of(
    { modelFile: file, device, intraOpThreads: 1, graphOptimization: 'all', providerOptions: {} },
    ANSWER_LIMIT_BYTES,
  );
  await executor.load(AbortSignal.timeout(60_000));
  return executor;
}

/** So many rows for the perceptron. */
export function rowsOf(rows: number): Tensor {
  const values = Float32Array.from({ length: rows * WIDTHS[0] }, (_, at) => (at % 97) / 97);
  return { name: 'x', datatype: 'FP32', shape: [rows, WIDTHS[0]], data: new Uint8Array(values.buffer) };
}
