import { BmsError } from '@bms/contracts';
import { DATATYPES, datatypeOfRuntime, splitRows, tensorOfRaw, type Tensor } from '@bms/tensor';
import type { RunBatch, RunOutcome } from './executor';
import { rawSizeBytes } from './request-size';
import { PieceWriter } from './piece-writer';
import type { PackedInput, PackedOutcome, PackedOutput, PackedRun } from './onnx-thread-messages';

/** Fits every element size, so that each input can be viewed as its typed array. */
const ALIGNMENT_BYTES = 8;

export interface PackedTurn {
  readonly buffer: ArrayBuffer;
  readonly runs: readonly PackedRun[];
}

/** An input of a batch: where its tensors go. */
interface Placed {
  readonly input: PackedInput;
  readonly tensors: readonly Tensor[];
}

/**
 * Copies the inputs of a turn into one buffer that can be moved to a thread: the only copy on their way, which also joins
 * them. It is needed because a request's bytes are misaligned views of a message whose memory is shared with others. A small
 * turn is packed at once; a large one in pieces, between which the event loop turns. Throws INVALID_TENSOR for a datatype
 * that the runtime lacks.
 */
export function packTurn(batches: readonly RunBatch[]): PackedTurn | Promise<PackedTurn> {
  let sizeBytes = 0;
  const placed = batches.map(({ requests, paddingRows }) =>
    (requests[0]?.inputs ?? []).map((_, index): Placed => {
      const tensors = [
        ...requests.flatMap(({ inputs }) => inputs[index] ?? []),
        ...padding(requests, index, paddingRows),
      ];
      const input = place(tensors, sizeBytes);
      sizeBytes += Math.ceil(input.byteLength / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
      return { input, tensors };
    }),
  );
  const runs = placed.map((inputs, at) => ({
    outputs: batches[at]?.requests[0]?.outputs ?? [],
    inputs: inputs.map(({ input }) => input),
  }));
  // Not zeroed, and not from node's pool, whose memory cannot be moved.
  const writer = new PieceWriter(Buffer.allocUnsafeSlow(sizeBytes));
  const written = writer.writeAll(placed.flat().map(({ input, tensors }) => ({ at: input.byteOffset, tensors })));
  const packed = { buffer: writer.target.buffer, runs };
  return written === undefined ? packed : written.then(() => packed);
}

function place(tensors: readonly Tensor[], byteOffset: number): PackedInput {
  const [first] = tensors;
  if (first === undefined) throw new Error('a batch without requests');
  const { name, datatype, shape } = first;
  const { runtime } = DATATYPES[datatype];
  if (runtime === undefined) {
    throw BmsError.invalidTensor(name, `${datatype} is not offered: onnxruntime-node has no such type`);
  }
  const byteLength = tensors.reduce((sum, tensor) => sum + rawSizeBytes(tensor), 0);
  const rows = tensors.reduce((sum, tensor) => sum + (tensor.shape[0] ?? 0), 0);
  return {
    name,
    type: runtime,
    shape: tensors.length === 1 ? shape : [rows, ...shape.slice(1)],
    byteOffset,
    byteLength,
  };
}

/** The last row of a batch, so many times: a row that the model is asked for anyway. */
function padding(requests: RunBatch['requests'], index: number, rows: number): readonly Tensor[] {
  const last = requests.at(-1)?.inputs[index];
  const [count = 1] = last?.shape ?? [];
  if (rows === 0 || last === undefined) return [];
  const row = splitRows(last, [count - 1, 1])[1];
  return row === undefined ? [] : Array.from({ length: rows }, () => row);
}

/** What came back from the thread, as tensors over the memory that the runtime filled. */
export function unpackOutcome(outcome: PackedOutcome): RunOutcome {
  if (outcome.kind !== 'answered') return outcome;
  try {
    return { kind: 'answered', outputs: outcome.outputs.map(unpackOutput), computeUs: outcome.computeUs };
  } catch (error) {
    return {
      kind: 'failed',
      message: `its answer cannot be read: ${(error as Error).message}`,
      computeUs: outcome.computeUs,
    };
  }
}

function unpackOutput({ name, type, shape, data }: PackedOutput): Tensor {
  return tensorOfRaw({ name, datatype: datatypeOfRuntime(type, name), shape }, data, name);
}
