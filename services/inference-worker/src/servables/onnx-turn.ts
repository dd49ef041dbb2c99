import { BmsError } from '@bms/contracts';
import { DATATYPES, datatypeOfRuntime, isBytes, tensorOfRaw, type Tensor } from '@bms/tensor';
import type { RunOutcome, RunRequest } from './executor';
import { rawSizeBytes } from './request-size';
import type { PackedInput, PackedOutcome, PackedOutput, PackedRun } from './onnx-thread-messages';

/** Fits every element size, so that each input can be viewed as its typed array. */
const ALIGNMENT_BYTES = 8;

export interface PackedTurn {
  readonly buffer: ArrayBuffer;
  readonly runs: readonly PackedRun[];
}

/**
 * Copies the inputs of a turn into one buffer that can be moved to a thread: the only copy on their way. It is needed
 * because a request's bytes are misaligned views of a message whose memory is shared with others.
 */
export function packTurn(requests: readonly RunRequest[]): PackedTurn {
  let sizeBytes = 0;
  const runs = requests.map((request) => ({
    outputs: request.outputs,
    inputs: request.inputs.map((tensor): PackedInput => {
      const { runtime } = DATATYPES[tensor.datatype];
      if (runtime === undefined) {
        throw BmsError.invalidTensor(
          tensor.name,
          `${tensor.datatype} is not offered: onnxruntime-node has no such type`,
        );
      }
      const byteOffset = sizeBytes;
      const byteLength = rawSizeBytes(tensor);
      sizeBytes += Math.ceil(byteLength / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
      return { name: tensor.name, type: runtime, shape: tensor.shape, byteOffset, byteLength };
    }),
  }));
  // Not zeroed, and not from node's pool, whose memory cannot be moved.
  const target = Buffer.allocUnsafeSlow(sizeBytes);
  requests.forEach((request, at) =>
    request.inputs.forEach((tensor, index) => writeRaw(tensor, target, runs[at]?.inputs[index]?.byteOffset ?? 0)),
  );
  return { buffer: target.buffer, runs };
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

function writeRaw(tensor: Tensor, target: Buffer, byteOffset: number): void {
  if (!isBytes(tensor)) {
    target.set(tensor.data, byteOffset);
    return;
  }
  let at = byteOffset;
  for (const element of tensor.elements) {
    at = target.writeUInt32LE(element.byteLength, at);
    target.set(element, at);
    at += element.byteLength;
  }
}
