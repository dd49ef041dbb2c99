import { batchShape, type Tensor } from '.';

const tensor = (datatype: 'FP32' | 'INT64', ...shape: number[]): Tensor => ({
  name: 'x',
  datatype,
  shape,
  data: new Uint8Array(),
});

describe('batchShape', () => {
  it('tells the rows, and gives equal keys where only the rows differ', () => {
    const one = batchShape([tensor('FP32', 1, 3, 4), tensor('INT64', 1)]);
    const many = batchShape([tensor('FP32', 7, 3, 4), tensor('INT64', 7)]);
    expect([one?.rows, many?.rows]).toEqual([1, 7]);
    expect(one?.key).toBe(many?.key);
  });

  it.each<[string, Tensor[], Tensor[]]>([
    ['a dimension', [tensor('FP32', 1, 3)], [tensor('FP32', 1, 4)]],
    ['the rank', [tensor('FP32', 1, 3)], [tensor('FP32', 1, 3, 1)]],
    ['a datatype', [tensor('FP32', 1)], [tensor('INT64', 1)]],
    [
      'which tensor has the dimension',
      [tensor('FP32', 1, 3), tensor('FP32', 1)],
      [tensor('FP32', 1), tensor('FP32', 1, 3)],
    ],
    ['where one dimension ends', [tensor('FP32', 1, 1, 23)], [tensor('FP32', 1, 12, 3)]],
  ])('gives other keys where %s differs', (_, one, other) => {
    expect(batchShape(one)?.key).not.toBe(batchShape(other)?.key);
  });

  it.each<[string, Tensor[]]>([
    ['no tensor', []],
    ['a scalar', [tensor('FP32')]],
    ['no rows', [tensor('FP32', 0, 3)]],
    ['rows that differ', [tensor('FP32', 2), tensor('FP32', 3)]],
  ])('has none for %s', (_, tensors) => {
    expect(batchShape(tensors)).toBeUndefined();
  });
});
