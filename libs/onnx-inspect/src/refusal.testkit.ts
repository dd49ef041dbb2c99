import { BmsError, Reason } from '@bms/contracts';
import { bytesSource } from './byte-source';
import { inspectOnnx, type OnnxModelInfo } from './inspect-onnx';

const never = new AbortController().signal;

export function inspectBytes(bytes: Uint8Array): Promise<OnnxModelInfo> {
  return inspectOnnx(bytesSource(bytes), never);
}

/** The sentence that a file is refused with; fails when it is taken, or refused with anything but INVALID_MODEL. */
export async function refusalOf(bytes: Uint8Array): Promise<string> {
  try {
    await inspectBytes(bytes);
  } catch (error) {
    if (BmsError.is(error, Reason.INVALID_MODEL)) return error.message;
    throw error;
  }
  throw new Error('it was not refused');
}
