import { byteSize, describeShape, describeSpec, dimensionsOf, elementCount, shapeFits, takesBatches } from '.';
import { refusal } from './refusal.testkit';
import { signature, spec } from './signature.testkit';

describe('shapes', () => {
  it.each([
    [[], 1],
    [[0], 0],
    [[2, 3, 4], 24],
    [[5, 0, 7], 0],
    [[Number.MAX_SAFE_INTEGER], Number.MAX_SAFE_INTEGER],
  ])('%j takes %d elements', (shape, count) => {
    expect(elementCount(shape)).toBe(count);
  });

  it('counts bytes by datatype', () => {
    expect(byteSize('FP32', [2, 3])).toBe(24);
    expect(byteSize('BF16', [])).toBe(2);
  });

  it.each([
    [
      'a negative dimension',
      () => dimensionsOf([1n, -1n], 'inputs[0].shape'),
      'INVALID_TENSOR inputs[0].shape[1]: is -1: a request needs actual sizes',
    ],
    [
      'a dimension beyond 2^53',
      () => dimensionsOf([2n ** 62n], 's'),
      `s[0]: is 4611686018427387904: at most ${Number.MAX_SAFE_INTEGER}`,
    ],
    ['65 dimensions', () => dimensionsOf(new Array<bigint>(65).fill(1n), 's'), 's: has 65 dimensions: at most 64'],
    [
      'a product beyond 2^53',
      () => elementCount([2 ** 30, 2 ** 30], 's'),
      's: [1073741824, 1073741824] takes more elements',
    ],
    ['a product that a zero hides', () => elementCount([2 ** 30, 0, 2 ** 30], 's'), 's: '],
    ['bytes beyond 2^53', () => byteSize('FP64', [2 ** 52], 's'), 's: [4503599627370496] takes more'],
  ])('refuses %s', (_what, act, sentence) => {
    expect(refusal(act)).toContain(sentence);
  });

  it.each([
    [[1, 64], [null, 64], true],
    [[0, 64], [null, 64], true],
    [[1, 63], [null, 64], false],
    [[64], [null, 64], false],
    [[], [], true],
    [[1], [], false],
    [[3, 4, 5], 'unranked', true],
    [[], 'unranked', true],
  ] as const)('whether %j fits %j: %s', (shape, wanted, fits) => {
    expect(shapeFits(shape, spec('x', 'FP32', wanted))).toBe(fits);
  });

  it('prints shapes as people write them', () => {
    expect(describeShape([])).toBe('[]');
    expect(describeSpec(spec('x', 'FP32', ['batch', null, 64]))).toBe('[batch, -1, 64]');
    expect(describeSpec(spec('x', 'FP32', 'unranked'))).toBe('[...]');
  });

  it.each([
    ['all have a free first dimension', [spec('x', 'FP32', [null, 4])], [spec('y', 'FP32', ['n'])], true],
    ['an output has a fixed one', [spec('x', 'FP32', [null, 4])], [spec('y', 'FP32', [1])], false],
    ['an input is a scalar', [spec('x', 'FP32', [null]), spec('k', 'INT64', [])], [spec('y', 'FP32', [null])], false],
    ['a rank is open', [spec('x', 'FP32', 'unranked')], [spec('y', 'FP32', [null])], false],
    ['there are no inputs', [], [spec('y', 'FP32', [null])], false],
  ])('whether requests can be joined when %s', (_what, inputs, outputs, batches) => {
    expect(takesBatches(signature(inputs, outputs))).toBe(batches);
  });
});
