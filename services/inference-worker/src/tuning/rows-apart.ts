import { isBytes, smallFloatValue, splitRows, typedArrayOf, type FixedSizeTensor, type Tensor } from '@bms/tensor';
import { alone, type Executor, type RunOutcome, type RunRequest } from '../servables/executor';

/** Elements of a row that are compared: enough to notice, few enough for the thread that holds sockets. */
const COMPARED_MAX = 4096;
/** By how much floats may differ, relative to the larger one but at least to 1: other sizes run other kernels. */
const TOLERANCE = { FP64: 1e-3, FP32: 1e-3, FP16: 2e-2, BF16: 5e-2 } as const;

/**
 * Runs rows one by one and joined, and compares. Answers why they must not be joined: the model does not keep its rows apart;
 * undefined where it does.
 */
export async function whyNotJoined(executor: Executor, rows: readonly RunRequest[]): Promise<string | undefined> {
  const outcomes = await executor.run([...rows.map(alone), { requests: rows, paddingRows: 0 }]);
  const joined = outcomes.at(-1);
  const single = outcomes.slice(0, -1);
  const refused = single.find(({ kind }) => kind !== 'answered');
  if (refused !== undefined) return `a row by itself is refused: ${messageOf(refused)}`;
  if (joined?.kind !== 'answered') return `rows that are joined are refused: ${messageOf(joined)}`;
  for (const [index, output] of joined.outputs.entries()) {
    const found = `output "${output.name}"`;
    if (output.shape[0] !== rows.length) return `${found} does not have a row for each row of the inputs`;
    const parts = splitRows(
      output,
      rows.map(() => 1),
    );
    const alike = parts.every((part, at) => {
      const outcome = single[at];
      return outcome?.kind === 'answered' && sameRow(part, outcome.outputs[index]);
    });
    if (!alike) return `${found} of a row depends on the rows beside it`;
  }
  return undefined;
}

function messageOf(outcome: RunOutcome | undefined): string {
  return outcome === undefined || outcome.kind === 'answered' ? '' : outcome.message;
}

function sameRow(one: Tensor, other: Tensor | undefined): boolean {
  if (other === undefined || one.shape.length !== other.shape.length) return false;
  if (one.shape.some((size, at) => size !== other.shape[at])) return false;
  if (isBytes(one) || isBytes(other)) {
    if (!isBytes(one) || !isBytes(other)) return false;
    return one.elements
      .slice(0, COMPARED_MAX)
      .every((element, at) => Buffer.compare(element, other.elements[at] ?? new Uint8Array()) === 0);
  }
  const [values, others] = [valuesOf(one), valuesOf(other)];
  const tolerance = one.datatype in TOLERANCE ? TOLERANCE[one.datatype as keyof typeof TOLERANCE] : 0;
  return values.every((value, at) => isNear(value, others[at] ?? NaN, tolerance));
}

function isNear(value: number, other: number, tolerance: number): boolean {
  if (Object.is(value, other) || value === other) return true;
  return Math.abs(value - other) <= tolerance * Math.max(1, Math.abs(value), Math.abs(other));
}

function valuesOf({ datatype, data }: FixedSizeTensor): readonly number[] {
  const values = Array.from<number | bigint, number>(typedArrayOf(datatype, data).subarray(0, COMPARED_MAX), Number);
  return datatype === 'FP16' || datatype === 'BF16' ? values.map((bits) => smallFloatValue(datatype, bits)) : values;
}
