import { BmsError } from '@bms/contracts';
import { elementsOfRaw, rawOfElements } from './raw';
import { byteSize, describeShape, elementCount } from './shape';
import { isBytes, type Tensor, type TensorHead } from './tensor';

/** The tensor that raw contents hold. Throws INVALID_TENSOR that names `field` when the bytes do not fill the shape. */
export function tensorOfRaw(head: TensorHead, data: Uint8Array, field: string): Tensor {
  const { name, datatype, shape } = head;
  if (datatype === 'BYTES') {
    return { name, datatype, shape, elements: elementsOfRaw(data, elementCount(shape), field) };
  }
  const sizeBytes = byteSize(datatype, shape);
  if (data.byteLength !== sizeBytes) {
    const description = `has ${data.byteLength} bytes, but ${datatype} ${describeShape(shape)} takes ${sizeBytes}`;
    throw BmsError.invalidTensor(field, description);
  }
  // C++ assumes that a bool is 0 or 1; what a runtime does with another byte is undefined.
  const wrong = datatype === 'BOOL' ? data.findIndex((byte) => byte > 1) : -1;
  if (wrong >= 0) throw BmsError.invalidTensor(field, `byte ${wrong} is ${data[wrong]}: BOOL takes 0 and 1`);
  return { name, datatype, shape, data };
}

/** A tensor's raw contents. */
export function rawOfTensor(tensor: Tensor): Uint8Array {
  return isBytes(tensor) ? rawOfElements(tensor.elements) : tensor.data;
}
