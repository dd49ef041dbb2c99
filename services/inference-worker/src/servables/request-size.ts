import { isBytes, type Tensor } from '@bms/tensor';
import type { RunRequest } from './executor';

/** The length that stands before each element of a BYTES tensor on the wire. */
export const LENGTH_PREFIX_BYTES = 4;

/** The bytes that a tensor's raw contents take. */
export function rawSizeBytes(tensor: Tensor): number {
  if (!isBytes(tensor)) return tensor.data.byteLength;
  return tensor.elements.reduce((sum, element) => sum + LENGTH_PREFIX_BYTES + element.byteLength, 0);
}

/** The bytes that a request's inputs take. */
export function requestSizeBytes(request: RunRequest): number {
  return request.inputs.reduce((sum, tensor) => sum + rawSizeBytes(tensor), 0);
}
