import { BmsError, type models } from '@bms/contracts';
import { datatypeOf, type FixedSizeDatatype } from './datatypes';
import type { JsonArray, JsonValue } from './exact-json';
import { describeRange, integerRange, isInteger } from './integer-range';
import { newTypedArray, rawOf } from './raw';
import { describeMisfit, dimensionsOf, elementCount, shapeFits } from './shape';
import { smallFloatBits, smallFloatValue } from './small-float';
import type { Tensor } from './tensor';

/** Where the value at these indices of a tensor stands in the body: `instances[3].pixels[2]`. */
export type PathOfElement = (indices: readonly number[]) => string;

/** Stores one value; answers what is wrong with it, if anything. */
type Put = (value: JsonValue, at: number) => string | undefined;

/**
 * The tensor that nested lists make for one input. Throws INVALID_TENSOR that names the place: rows of unequal length or
 * depth, a value that is not of the datatype or out of its range, a shape that the input does not take.
 */
export function tensorOfJson(root: JsonValue, spec: models.TensorSpec, pathOfElement: PathOfElement): Tensor {
  const datatype = datatypeOf(spec.datatype);
  const shape = shapeOf(root);
  if (shape.length > 0) refuseRagged(root, shape, [], pathOfElement);
  dimensionsOf(shape, pathOfElement([]));
  if (!shapeFits(shape, spec)) throw BmsError.invalidTensor(pathOfElement([]), describeMisfit(shape, spec));

  const count = elementCount(shape, pathOfElement([]));
  if (datatype === 'BYTES') {
    const elements = new Array<Uint8Array>(count);
    fill(root, shape, putBytes(elements), pathOfElement);
    return { name: spec.name, datatype, shape, elements };
  }
  const array = newTypedArray(datatype, count);
  fill(root, shape, putFixedSize(datatype, array), pathOfElement);
  return { name: spec.name, datatype, shape, data: rawOf(array) };
}

/** `{"b64": "…"}`, how JSON carries bytes that are no text. */
export function isBase64(value: JsonValue | undefined): value is ReadonlyMap<string, string> {
  return value instanceof Map && value.size === 1 && typeof value.get('b64') === 'string';
}

/** By the first element of each level; {@link refuseRagged} compares the others with it. */
function shapeOf(root: JsonValue): number[] {
  const shape: number[] = [];
  for (let value: JsonValue | undefined = root; isList(value); value = value[0]) shape.push(value.length);
  return shape;
}

/** Before memory is taken for a shape: a long first row and many short ones would promise far more than the body has. */
function refuseRagged(
  value: JsonValue,
  shape: readonly number[],
  indices: number[],
  pathOfElement: PathOfElement,
): void {
  const level = indices.length;
  const first = (): string => pathOfElement(indices.map(() => 0));
  if (!isList(value)) {
    throw BmsError.invalidTensor(
      pathOfElement(indices),
      `is ${shown(value)}, but ${first()} is a list: rows of unequal depth`,
    );
  }
  if (value.length !== shape[level]) {
    const description = `has ${value.length} elements, but ${first()} has ${shape[level]}: rows of unequal length`;
    throw BmsError.invalidTensor(pathOfElement(indices), description);
  }
  if (level + 1 >= shape.length) return;
  for (let at = 0; at < value.length; at++) {
    indices.push(at);
    refuseRagged(value[at] as JsonValue, shape, indices, pathOfElement);
    indices.pop();
  }
}

function fill(root: JsonValue, shape: readonly number[], put: Put, pathOfElement: PathOfElement): void {
  let next = 0;
  const indices: number[] = [];
  const store = (value: JsonValue): void => {
    if (indices.length < shape.length) {
      const list = value as JsonArray;
      for (let at = 0; at < list.length; at++) {
        indices.push(at);
        store(list[at] as JsonValue);
        indices.pop();
      }
      return;
    }
    const wrong = put(value, next++);
    if (wrong !== undefined) throw BmsError.invalidTensor(pathOfElement(indices), wrong);
  };
  store(root);
}

type WritableArray = { [at: number]: number | bigint };

function putFixedSize(datatype: FixedSizeDatatype, array: WritableArray): Put {
  if (datatype === 'BOOL') return putBool(array);
  if (isInteger(datatype)) return putInteger(datatype, array);
  return putFloat(datatype, array);
}

function putBool(array: WritableArray): Put {
  return (value, at) => {
    if (typeof value !== 'boolean') return `is ${shown(value)}, but BOOL takes true or false`;
    array[at] = value ? 1 : 0;
    return undefined;
  };
}

function putInteger(datatype: Parameters<typeof integerRange>[0], array: WritableArray): Put {
  const range = integerRange(datatype);
  const big = datatype === 'INT64' || datatype === 'UINT64';
  return (value, at) => {
    if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isInteger(value))) {
      return `is ${shown(value)}, but ${datatype} takes whole numbers`;
    }
    if (value < range.min || value > range.max) {
      return `is ${value}, which is out of range for ${datatype}: ${describeRange(range)}`;
    }
    array[at] = big ? BigInt(value) : Number(value);
    return undefined;
  };
}

function putFloat(datatype: 'FP16' | 'BF16' | 'FP32' | 'FP64', array: WritableArray): Put {
  const small = datatype === 'FP16' || datatype === 'BF16' ? datatype : undefined;
  return (value, at) => {
    if (typeof value !== 'number' && typeof value !== 'bigint')
      return `is ${shown(value)}, but ${datatype} takes numbers`;
    const number = Number(value);
    const stored = small === undefined ? number : smallFloatBits(small, number);
    const held =
      small === undefined ? (datatype === 'FP32' ? Math.fround(number) : number) : smallFloatValue(small, stored);
    if (!Number.isFinite(held)) return `is out of range for ${datatype}`;
    array[at] = stored;
    return undefined;
  };
}

function putBytes(elements: Uint8Array[]): Put {
  const encoder = new TextEncoder();
  return (value, at) => {
    if (typeof value === 'string') {
      if (/\p{Surrogate}/u.test(value)) return 'is a string with half a surrogate pair, which UTF-8 cannot carry';
      elements[at] = encoder.encode(value);
      return undefined;
    }
    if (!isBase64(value)) return `is ${shown(value)}, but BYTES takes strings or {"b64": "…"}`;
    const bytes = bytesOfBase64(value.get('b64') ?? '');
    if (bytes === undefined) return 'has a "b64" that is not base64';
    elements[at] = bytes;
    return undefined;
  };
}

/** Both alphabets, with or without padding; undefined when it is not base64. */
function bytesOfBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1) return undefined;
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function isList(value: JsonValue | undefined): value is JsonArray {
  return Array.isArray(value);
}

function shown(value: JsonValue): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${value}`;
  if (typeof value === 'string')
    return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  return isList(value) ? 'a list' : 'an object';
}
