import { concatRows, rowCount, splitRows, type Tensor } from '.';
import { refusal } from './refusal.testkit';

const bytes = (...shape: number[]): Tensor => ({
  name: 'x',
  datatype: 'UINT8',
  shape,
  data: Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => at),
});
const texts = (...words: string[]): Tensor => ({
  name: 's',
  datatype: 'BYTES',
  shape: [words.length],
  elements: words.map((word) => new TextEncoder().encode(word)),
});

describe('rows', () => {
  it('are joined along dimension 0 and split again', () => {
    const joined = concatRows([bytes(1, 2), bytes(0, 2), bytes(2, 2)]);
    expect(joined).toEqual({ name: 'x', datatype: 'UINT8', shape: [3, 2], data: Uint8Array.of(0, 1, 0, 1, 2, 3) });
    expect(splitRows(joined, [1, 0, 2])).toEqual([bytes(1, 2), bytes(0, 2), bytes(2, 2)]);
  });

  it('of wider elements keep their bytes', () => {
    const wide: Tensor = {
      name: 'x',
      datatype: 'FP64',
      shape: [2],
      data: new Uint8Array(new Float64Array([1, 2]).buffer),
    };
    expect(splitRows(concatRows([wide, wide]), [2, 2])).toEqual([wide, wide]);
  });

  it('of BYTES are joined and split by elements', () => {
    const joined = concatRows([texts('a', 'bc'), texts('')]);
    expect(joined).toEqual(texts('a', 'bc', ''));
    expect(splitRows(joined, [2, 1])).toEqual([texts('a', 'bc'), texts('')]);
  });

  it('of a single tensor are that tensor', () => {
    const only = bytes(2, 2);
    expect(concatRows([only])).toBe(only);
  });

  it.each([
    [
      'other dimensions differ',
      () => concatRows([bytes(1, 2), bytes(1, 3)]),
      'x: UINT8 [1, 3] cannot be joined to x UINT8 [1, 2]',
    ],
    ['datatypes differ', () => concatRows([bytes(1), { ...texts('a'), name: 'x' }]), 'x: BYTES [1] cannot be joined'],
    ['a scalar has none', () => rowCount(bytes()), 'x: is a scalar'],
    ['the output has other rows', () => splitRows(bytes(3), [1, 1]), 'x: has shape [3], but 2 rows are to be split'],
  ])('are refused when %s', (_what, act, sentence) => {
    expect(refusal(act)).toContain(sentence);
  });
});
