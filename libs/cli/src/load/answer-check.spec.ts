import type { InferResult, TensorOutput } from '@bms/sdk';
import { AnswerCheck, differenceOf, type Outputs } from './answer-check';

const floats = (...data: readonly number[]): TensorOutput => ({
  datatype: 'FP32',
  shape: [data.length],
  data: Float32Array.from(data),
});
const integers = (...data: readonly number[]): TensorOutput => ({
  datatype: 'INT32',
  shape: [data.length],
  data: Int32Array.from(data),
});
const answer = (version: number, outputs: Outputs): InferResult => ({
  ...{ model: 'm', version, id: '', servedBy: 'w', attempts: 1, requestId: 'r' },
  outputs,
});

describe('differenceOf', () => {
  it.each<[string, TensorOutput, TensorOutput | undefined, string | undefined]>([
    ['the same', floats(1, 2), floats(1, 2), undefined],
    ['within the tolerance', floats(0.5), floats(0.50009), undefined],
    ['within it for a large value', floats(10_000), floats(10_000.9), undefined],
    ['beyond it', floats(0, 0.5), floats(0, 0.5002), 'y[1] is 0.5001999735832214, not 0.5'],
    ['NaN where it has to be', floats(NaN), floats(NaN), undefined],
    ['NaN where it must not be', floats(1), floats(NaN), 'y[0] is NaN, not 1'],
    ['no NaN', floats(NaN), floats(1), 'y[0] is 1, not NaN'],
    ['infinity', floats(Infinity), floats(Infinity), undefined],
    ['no infinity', floats(Infinity), floats(1e30), 'y[0] is 1.0000000150474662e+30, not Infinity'],
    ['integers have no tolerance', integers(1_000_000), integers(1_000_001), 'y[0] is 1000001, not 1000000'],
    ['another shape', floats(1, 2), floats(1), 'y has shape [1], not [2]'],
    ['another datatype', floats(1), integers(1), 'y is INT32, not FP32'],
    ['a missing output', floats(1), undefined, 'the output y is missing'],
    [
      'another text',
      { datatype: 'BYTES', shape: [1], data: [Buffer.from('one')] },
      { datatype: 'BYTES', shape: [1], data: [Buffer.from('two')] },
      'y[0] is "two", not "one"',
    ],
    [
      'the same text',
      { datatype: 'BYTES', shape: [1], data: [Buffer.from('one')] },
      { datatype: 'BYTES', shape: [1], data: [Buffer.from('one')] },
      undefined,
    ],
  ])('%s', (_, expected, actual, difference) => {
    expect(differenceOf({ y: expected }, actual === undefined ? {} : { y: actual })).toBe(difference);
  });
});

describe('AnswerCheck', () => {
  it('holds each version to its own answers', () => {
    const check = new AnswerCheck(
      new Map([
        [1, [{ y: floats(1) }, { y: floats(10) }]],
        [2, [{ y: floats(2) }, { y: floats(20) }]],
      ]),
    );
    expect(check.difference(1, answer(1, { y: floats(10) }))).toBeUndefined();
    expect(check.difference(1, answer(2, { y: floats(10) }))).toBe('y[0] is 10, not 20');
    expect(check.difference(0, answer(2, { y: floats(2) }))).toBeUndefined();
    expect(check.trustedVersions).toEqual([]);
  });

  it("takes an unknown version's first answer to each request for right, and says so", () => {
    const check = new AnswerCheck(new Map());
    expect(check.difference(0, answer(7, { y: floats(1) }))).toBeUndefined();
    expect(check.difference(1, answer(7, { y: floats(2) }))).toBeUndefined();
    expect(check.difference(0, answer(7, { y: floats(2) }))).toBe('y[0] is 2, not 1');
    expect(check.difference(1, answer(7, { y: floats(2) }))).toBeUndefined();
    expect(check.trustedVersions).toEqual([7]);
  });
});
