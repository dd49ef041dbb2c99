import type { Datatype, FixedSizeDatatype } from './datatypes';

interface Named {
  readonly name: string;
  /** Every dimension is 0 or more; no dimensions: a scalar. */
  readonly shape: readonly number[];
}

/** A tensor whose elements are all of one size. */
export interface FixedSizeTensor extends Named {
  readonly datatype: FixedSizeDatatype;
  /** Little-endian, row-major; exactly as many bytes as the shape takes. May be misaligned: see `typedArrayOf`. */
  readonly data: Uint8Array;
}

/** A tensor of strings or other byte strings. */
export interface BytesTensor extends Named {
  readonly datatype: 'BYTES';
  /** Row-major; exactly as many as the shape takes. */
  readonly elements: readonly Uint8Array[];
}

/** A tensor outside of any wire. Nothing that holds one writes into its bytes. */
export type Tensor = FixedSizeTensor | BytesTensor;

export function isBytes(tensor: Tensor): tensor is BytesTensor {
  return tensor.datatype === 'BYTES';
}

/** A name, datatype and shape, as the wire gives it, checked. */
export interface TensorHead extends Named {
  readonly datatype: Datatype;
}
