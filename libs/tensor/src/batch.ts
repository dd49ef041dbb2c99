import { BmsError } from '@bms/contracts';
import { byteSize, describeShape } from './shape';
import { isBytes, type BytesTensor, type FixedSizeTensor, type Tensor } from './tensor';

/** How many rows, along dimension 0, a tensor has. Throws INVALID_TENSOR for a scalar, which has none. */
export function rowCount(tensor: Tensor): number {
  const [rows] = tensor.shape;
  if (rows === undefined) throw BmsError.invalidTensor(tensor.name, 'is a scalar, which has no rows');
  return rows;
}

/**
 * Joins tensors along dimension 0, in their order; a single one is given back as it is. Throws INVALID_TENSOR when they
 * differ in name, datatype or another dimension.
 */
export function concatRows(tensors: readonly Tensor[]): Tensor {
  const [first, ...others] = tensors;
  if (first === undefined) throw new Error('nothing to join');
  if (others.length === 0) return first;
  for (const other of others) refuseMismatch(first, other);
  const rows = tensors.reduce((sum, tensor) => sum + rowCount(tensor), 0);
  const shape = [rows, ...first.shape.slice(1)];
  if (isBytes(first))
    return { ...first, shape, elements: tensors.flatMap((tensor) => (tensor as BytesTensor).elements) };
  const data = new Uint8Array(byteSize(first.datatype, shape, first.name));
  let at = 0;
  for (const tensor of tensors as readonly FixedSizeTensor[]) {
    data.set(tensor.data, at);
    at += tensor.data.byteLength;
  }
  return { ...first, shape, data };
}

/**
 * Splits a tensor along dimension 0 into parts of as many rows as `rows` says; the parts are views. Throws INVALID_TENSOR when
 * the tensor does not have as many rows as all parts together: a model whose output does not follow its input's rows.
 */
export function splitRows(tensor: Tensor, rows: readonly number[]): Tensor[] {
  const total = rows.reduce((sum, count) => sum + count, 0);
  if (rowCount(tensor) !== total) {
    throw BmsError.invalidTensor(
      tensor.name,
      `has shape ${describeShape(tensor.shape)}, but ${total} rows are to be split`,
    );
  }
  const rest = tensor.shape.slice(1);
  let from = 0;
  return rows.map((count) => {
    const start = from;
    from += count;
    return sliceRows(tensor, start, from, [count, ...rest]);
  });
}

function sliceRows(tensor: Tensor, from: number, to: number, shape: readonly number[]): Tensor {
  const rest = tensor.shape.slice(1);
  if (isBytes(tensor)) {
    const perRow = rest.reduce((product, size) => product * size, 1);
    return { ...tensor, shape, elements: tensor.elements.slice(from * perRow, to * perRow) };
  }
  const rowBytes = byteSize(tensor.datatype, rest, tensor.name);
  return { ...tensor, shape, data: tensor.data.subarray(from * rowBytes, to * rowBytes) };
}

function refuseMismatch(first: Tensor, other: Tensor): void {
  const same =
    first.name === other.name &&
    first.datatype === other.datatype &&
    first.shape.length === other.shape.length &&
    first.shape.every((size, at) => at === 0 || size === other.shape[at]);
  if (same) return;
  throw BmsError.invalidTensor(
    other.name,
    `${other.datatype} ${describeShape(other.shape)} cannot be joined to ${first.name} ${first.datatype} ${describeShape(first.shape)}`,
  );
}
