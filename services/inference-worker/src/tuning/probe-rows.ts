import { batchShape, isBytes, splitRows, typedArrayOf, type Tensor } from '@bms/tensor';
import type { RunRequest } from '../servables/executor';

/** How many rows a probe has. */
const ROWS = 3;

/**
 * Requests of one row each that can be joined: the first rows of the examples, and where these are too few, variations of the
 * first one. undefined where the examples cannot be joined.
 */
export function probeRows(examples: readonly RunRequest[]): readonly RunRequest[] | undefined {
  const rows = examples.flatMap((example) => firstRow(example) ?? []);
  const [first] = rows;
  if (first === undefined) return undefined;
  const key = batchShape(first.inputs)?.key;
  const alike = rows.filter(({ inputs }) => batchShape(inputs)?.key === key).slice(0, ROWS);
  const more = Array.from({ length: ROWS - alike.length }, (_, at) => varied(first, at + 1));
  return [...alike, ...more];
}

function firstRow({ inputs, outputs }: RunRequest): RunRequest | undefined {
  const shape = batchShape(inputs);
  if (shape === undefined) return undefined;
  return { inputs: inputs.flatMap((tensor) => splitRows(tensor, [1, shape.rows - 1])[0] ?? []), outputs };
}

/** Only FP32 and FP64 vary: what other values mean, such as an index, nobody knows. */
function varied({ inputs, outputs }: RunRequest, by: number): RunRequest {
  return { inputs: inputs.map((tensor) => variedTensor(tensor, by)), outputs };
}

function variedTensor(tensor: Tensor, by: number): Tensor {
  if (isBytes(tensor) || (tensor.datatype !== 'FP32' && tensor.datatype !== 'FP64')) return tensor;
  const values = typedArrayOf(tensor.datatype, tensor.data).slice();
  for (let at = 0; at < values.length; at++) values[at] = (values[at] ?? 0) + ((at * 7 + by * 3) % 11) / 11;
  return { ...tensor, data: new Uint8Array(values.buffer) };
}
