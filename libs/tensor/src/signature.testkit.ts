import { models } from '@bms/contracts';

/** A TensorSpec in one line: `spec('x', 'FP32', ['batch', 4])`; null for a free dimension without a symbol. */
export function spec(
  name: string,
  datatype: string,
  shape: readonly (number | string | null)[] | 'unranked',
): models.TensorSpec {
  const dimensions = shape === 'unranked' ? [] : shape;
  return models.TensorSpec.create({
    name,
    datatype,
    shape: dimensions.map((size) => (typeof size === 'number' ? BigInt(size) : -1n)),
    symbols: dimensions.map((size) => (typeof size === 'string' ? size : '')),
    unranked: shape === 'unranked',
  });
}

export function signature(inputs: models.TensorSpec[], outputs = [spec('y', 'FP32', [null])]): models.Signature {
  return models.Signature.create({ inputs, outputs });
}
