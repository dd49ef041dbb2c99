import { BmsError, type models } from '@bms/contracts';
import { DATATYPES, type FixedSizeDatatype } from './datatypes';
import { quoted } from './quoted';

/** More dimensions than any runtime takes; a bound for nested loops and messages. */
export const RANK_MAX = 64;

/** The part of a TensorSpec that a shape is measured by. */
export type ShapeSpec = Pick<models.TensorSpec, 'shape' | 'unranked'>;

/**
 * The dimensions of a wire's shape as numbers. Throws INVALID_TENSOR that names the dimension: negative, beyond
 * Number.MAX_SAFE_INTEGER, or more than {@link RANK_MAX} of them.
 */
export function dimensionsOf(shape: readonly (bigint | number)[], field: string): number[] {
  if (shape.length > RANK_MAX) {
    throw BmsError.invalidTensor(field, `has ${shape.length} dimensions: at most ${RANK_MAX} are allowed`);
  }
  return shape.map((dimension, at) => {
    const size = Number(dimension);
    if (Number.isSafeInteger(size) && size >= 0) return size;
    throw BmsError.invalidTensor(
      `${field}[${at}]`,
      size < 0
        ? `is ${dimension}: a request needs actual sizes, 0 or more`
        : `is ${dimension}: at most ${Number.MAX_SAFE_INTEGER} is allowed`,
    );
  });
}

/**
 * How many elements a shape takes; a scalar takes one. Throws INVALID_TENSOR when that is beyond
 * Number.MAX_SAFE_INTEGER, also where a dimension of 0 would hide it.
 */
export function elementCount(shape: readonly number[], field = 'shape'): number {
  let count = 1;
  let empty = false;
  for (const dimension of shape) {
    if (dimension === 0) empty = true;
    else count *= dimension;
    if (count > Number.MAX_SAFE_INTEGER) throw tooLarge(shape, field);
  }
  return empty ? 0 : count;
}

/** How many bytes a tensor's raw contents take. Throws INVALID_TENSOR when that is beyond Number.MAX_SAFE_INTEGER. */
export function byteSize(datatype: FixedSizeDatatype, shape: readonly number[], field = 'shape'): number {
  const sizeBytes = elementCount(shape, field) * DATATYPES[datatype].elementBytes;
  if (sizeBytes > Number.MAX_SAFE_INTEGER) throw tooLarge(shape, field);
  return sizeBytes;
}

/** Whether a shape is one that the spec takes: of its rank, with its fixed dimensions. */
export function shapeFits(shape: readonly number[], spec: ShapeSpec): boolean {
  if (spec.unranked) return true;
  return (
    shape.length === spec.shape.length &&
    spec.shape.every((size, at) => size === -1n || size === BigInt(shape[at] ?? -1))
  );
}

/** `[1, 64]`; `[]` for a scalar. */
export function describeShape(shape: readonly (bigint | number | string)[]): string {
  return `[${shape.join(', ')}]`;
}

/** `[batch, 64]`: a spec's shape with the model's symbols, -1 where a free dimension has none; `[...]` when the rank is free. */
export function describeSpec(spec: ShapeSpec & Partial<Pick<models.TensorSpec, 'symbols'>>): string {
  if (spec.unranked) return '[...]';
  return describeShape(spec.shape.map((size, at) => (size === -1n ? spec.symbols?.[at] || '-1' : String(size))));
}

/** Why a shape does not fit: `is [1, 63], but "pixels" takes [batch, 64]: dimension 1 must be 64`. */
export function describeMisfit(shape: readonly number[], spec: models.TensorSpec): string {
  const wrong = spec.shape.findIndex((size, at) => size !== -1n && size !== BigInt(shape[at] ?? -1));
  const why =
    shape.length === spec.shape.length
      ? `dimension ${wrong} must be ${spec.shape[wrong]}`
      : `${spec.shape.length} dimensions are needed, not ${shape.length}`;
  return `is ${describeShape(shape)}, but ${quoted(spec.name)} takes ${describeSpec(spec)}: ${why}`;
}

function tooLarge(shape: readonly number[], field: string): BmsError {
  return BmsError.invalidTensor(field, `${describeShape(shape)} takes more elements than can be counted exactly`);
}
