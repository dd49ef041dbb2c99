import { BmsError } from '@bms/contracts';
import { DATATYPES, type FixedSizeDatatype } from './datatypes';

const CONSTRUCTORS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

/** The typed array that holds a datatype's elements; for FP16 and BF16 their bits, for BOOL 0 and 1. */
export type TypedArrayOf<D extends FixedSizeDatatype> = InstanceType<(typeof CONSTRUCTORS)[D]>;

const LENGTH_PREFIX_BYTES = 4;
const ELEMENT_BYTES_MAX = 2 ** 32 - 1;

/**
 * Raw contents as a typed array: a view of the same memory where it is aligned, else one copy. The host is
 * little-endian, as every platform of ONNX Runtime is. Trailing bytes that fill no element are the caller's to refuse.
 */
export function typedArrayOf<D extends FixedSizeDatatype>(datatype: D, data: Uint8Array): TypedArrayOf<D> {
  const { elementBytes } = DATATYPES[datatype];
  const aligned = data.byteOffset % elementBytes === 0 ? data : new Uint8Array(data);
  const make = CONSTRUCTORS[datatype] as unknown as new (
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ) => TypedArrayOf<D>;
  return new make(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / elementBytes));
}

/** A new typed array of `length` zeros for a datatype's elements. */
export function newTypedArray<D extends FixedSizeDatatype>(datatype: D, length: number): TypedArrayOf<D> {
  const make = CONSTRUCTORS[datatype] as unknown as new (length: number) => TypedArrayOf<D>;
  return new make(length);
}

/** The bytes of a typed array: a view of the same memory. */
export function rawOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/**
 * The elements of a BYTES tensor's raw contents: each a 4-byte little-endian length, then as many bytes. The elements
 * are views. Throws INVALID_TENSOR that names `field`: truncated, bytes left over, not `count` elements.
 */
export function elementsOfRaw(data: Uint8Array, count: number, field: string): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (at < data.byteLength) {
    if (elements.length === count) {
      const left = data.byteLength - at;
      throw BmsError.invalidTensor(
        field,
        `has ${left} bytes after the last of the ${count} elements that the shape takes`,
      );
    }
    const start = at + LENGTH_PREFIX_BYTES;
    const end = start <= data.byteLength ? start + view.getUint32(at, true) : Infinity;
    if (end > data.byteLength) {
      throw BmsError.invalidTensor(
        field,
        `breaks off in element ${elements.length}: each is a 4-byte little-endian length, then as many bytes`,
      );
    }
    elements.push(data.subarray(start, end));
    at = end;
  }
  if (elements.length < count) {
    throw BmsError.invalidTensor(field, `has ${elements.length} elements, but the shape takes ${count}`);
  }
  return elements;
}

/** Raw contents of a BYTES tensor's elements. Throws INVALID_TENSOR when an element is over 4 GiB. */
export function rawOfElements(elements: readonly Uint8Array[]): Uint8Array {
  const sizeBytes = elements.reduce((sum, element) => sum + LENGTH_PREFIX_BYTES + element.byteLength, 0);
  const data = new Uint8Array(sizeBytes);
  const view = new DataView(data.buffer);
  let at = 0;
  for (const element of elements) {
    if (element.byteLength > ELEMENT_BYTES_MAX) {
      throw BmsError.invalidTensor(
        'elements',
        `an element has ${element.byteLength} bytes: at most ${ELEMENT_BYTES_MAX} fit`,
      );
    }
    view.setUint32(at, element.byteLength, true);
    data.set(element, at + LENGTH_PREFIX_BYTES);
    at += LENGTH_PREFIX_BYTES + element.byteLength;
  }
  return data;
}

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const textBytes = new TextEncoder();

/** The text of a BYTES element; undefined when it is not UTF-8. */
export function textOfElement(element: Uint8Array): string | undefined {
  try {
    return strictText.decode(element);
  } catch {
    return undefined;
  }
}

/** The texts of BYTES elements. Throws INVALID_TENSOR that names the first element that is not UTF-8. */
export function textsOfElements(elements: readonly Uint8Array[], field: string): string[] {
  return elements.map((element, at) => {
    const text = textOfElement(element);
    if (text !== undefined) return text;
    throw BmsError.invalidTensor(field, `element ${at} is not UTF-8, and ONNX strings are`);
  });
}

/** BYTES elements of texts, in UTF-8. */
export function elementsOfTexts(texts: readonly string[]): Uint8Array[] {
  return texts.map((text) => textBytes.encode(text));
}
