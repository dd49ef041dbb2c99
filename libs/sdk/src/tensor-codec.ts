import { BmsError } from '@bms/contracts';
import {
  datatypeOf,
  dimensionsOf,
  elementCount,
  elementsOfTexts,
  isBytes,
  newTypedArray,
  rawOf,
  smallFloatBits,
  smallFloatValue,
  typedArrayOf,
  type FixedSizeDatatype,
  type FixedSizeTensor,
  type Tensor,
} from '@bms/tensor';
import type { TensorData, TensorInput, TensorOutput } from './tensor-value';

/** The wire's tensor of what a caller gave. Throws INVALID_TENSOR that names `field`. */
export function tensorOf(name: string, input: TensorInput, field: string): Tensor {
  const datatype = datatypeOf(input.datatype, `${field}.datatype`);
  const shape = dimensionsOf(input.shape, `${field}.shape`);
  const count = elementCount(shape, `${field}.shape`);
  const length = input.data.length;
  if (length !== count) {
    throw BmsError.invalidTensor(
      `${field}.data`,
      `has ${length} elements, but the shape [${shape.join(', ')}] takes ${count}`,
    );
  }
  if (datatype === 'BYTES') return { name, datatype, shape, elements: bytesElements(input.data, `${field}.data`) };
  return { name, datatype, shape, data: fixedSizeData(datatype, input.data, `${field}.data`) };
}

/** What a caller gets of a wire's tensor. */
export function outputOf(tensor: Tensor): TensorOutput {
  const { shape } = tensor;
  if (isBytes(tensor)) return { datatype: 'BYTES', shape, data: tensor.elements };
  const { datatype, data } = tensor;
  switch (datatype) {
    case 'BOOL':
      return { datatype, shape, data: Array.from(data, (byte) => byte !== 0) };
    case 'FP16':
    case 'BF16': {
      const values = Float32Array.from(typedArrayOf(datatype, data), (bits) => smallFloatValue(datatype, bits));
      return { datatype, shape, data: values };
    }
    default:
      return { datatype, shape, data: typedArrayOf(datatype, data) } as TensorOutput;
  }
}

function bytesElements(data: TensorData, field: string): readonly Uint8Array[] {
  if (!ArrayBuffer.isView(data)) {
    if (data.every((element) => typeof element === 'string')) return elementsOfTexts(data);
    if (data.every((element) => element instanceof Uint8Array)) return data;
  }
  throw BmsError.invalidTensor(field, 'BYTES takes string[] or Uint8Array[]');
}

function fixedSizeData(datatype: FixedSizeDatatype, data: TensorData, field: string): FixedSizeTensor['data'] {
  const target = newTypedArray(datatype, 0);
  // A typed array of the datatype is what the wire wants; but a byte of a BOOL must be 0 or 1.
  if (ArrayBuffer.isView(data) && data.constructor === target.constructor && datatype !== 'BOOL') return rawOf(data);
  const element = ELEMENT_OF[datatype];
  const values = newTypedArray(datatype, data.length) as { [at: number]: number | bigint } & ArrayBufferView;
  for (let at = 0; at < data.length; at++) {
    const value = element(data[at]);
    if (value === undefined) throw refused(datatype, data[at], at, field);
    values[at] = value;
  }
  return rawOf(values);
}

type Element = (value: unknown) => number | bigint | undefined;

const integer =
  (min: number, max: number): Element =>
  (value) => {
    const number = typeof value === 'bigint' ? Number(value) : value;
    return typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max
      ? number
      : undefined;
  };

const bigInteger =
  (min: bigint, max: bigint): Element =>
  (value) => {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) return undefined; // it has lost digits already
    const big = typeof value === 'bigint' ? value : typeof value === 'number' ? BigInt(value) : undefined;
    return big !== undefined && big >= min && big <= max ? big : undefined;
  };

const float =
  (convert: (value: number) => number): Element =>
  (value) =>
    typeof value === 'number' ? convert(value) : undefined;

/** The element as the datatype's typed array holds it; undefined where the datatype cannot hold it. */
const ELEMENT_OF: Readonly<Record<FixedSizeDatatype, Element>> = {
  BOOL: (value) => (value === true || value === 1 ? 1 : value === false || value === 0 ? 0 : undefined),
  UINT8: integer(0, 2 ** 8 - 1),
  UINT16: integer(0, 2 ** 16 - 1),
  UINT32: integer(0, 2 ** 32 - 1),
  UINT64: bigInteger(0n, 2n ** 64n - 1n),
  INT8: integer(-(2 ** 7), 2 ** 7 - 1),
  INT16: integer(-(2 ** 15), 2 ** 15 - 1),
  INT32: integer(-(2 ** 31), 2 ** 31 - 1),
  INT64: bigInteger(-(2n ** 63n), 2n ** 63n - 1n),
  FP16: float((value) => smallFloatBits('FP16', value)),
  BF16: float((value) => smallFloatBits('BF16', value)),
  FP32: float((value) => value),
  FP64: float((value) => value),
};

function refused(datatype: FixedSizeDatatype, value: unknown, at: number, field: string): BmsError {
  const shown = typeof value === 'bigint' ? `${value}n` : JSON.stringify(value);
  return BmsError.invalidTensor(`${field}[${at}]`, `${shown} is no ${datatype}`);
}
