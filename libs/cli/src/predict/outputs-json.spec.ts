import type { TensorOutput } from '@bms/sdk';
import { jsonOfResult } from './outputs-json';

function dataOf(output: TensorOutput): unknown {
  const result = {
    model: 'm',
    version: 3,
    id: '',
    servedBy: 'w"1',
    attempts: 1,
    requestId: 'r',
    outputs: { y: output },
  };
  const text = jsonOfResult(result);
  const parsed = JSON.parse(text) as { readonly outputs: { readonly y: { readonly data: unknown } } };
  expect(parsed).toMatchObject({ model: 'm', version: 3, servedBy: 'w"1' });
  expect(text.split('\n').filter((line) => line.includes('"y"'))).toHaveLength(1);
  return parsed.outputs.y.data;
}

describe('jsonOfResult', () => {
  it.each<[string, TensorOutput, unknown]>([
    [
      'a matrix',
      { datatype: 'FP32', shape: [2, 2], data: Float32Array.of(0.1, 1, -2.5, 0) },
      [
        [0.1, 1],
        [-2.5, 0],
      ],
    ],
    ['a scalar', { datatype: 'INT32', shape: [], data: Int32Array.of(7) }, 7],
    ['no elements', { datatype: 'INT8', shape: [2, 0], data: new Int8Array() }, [[], []]],
    [
      'what JSON has no number for',
      { datatype: 'FP64', shape: [3], data: Float64Array.of(NaN, Infinity, -Infinity) },
      ['NaN', 'Infinity', '-Infinity'],
    ],
    ['truth', { datatype: 'BOOL', shape: [2], data: [true, false] }, [true, false]],
    [
      'text and bytes',
      { datatype: 'BYTES', shape: [2], data: [Uint8Array.of(0xc3, 0xbc), Uint8Array.of(0xff)] },
      ['ü', { b64: '/w==' }],
    ],
    ['a half', { datatype: 'FP16', shape: [1], data: Float32Array.of(0.333251953125) }, [0.33325195]],
  ])('writes %s', (_, output, expected) => {
    expect(dataOf(output)).toEqual(expected);
  });

  it('keeps every digit of 64-bit integers', () => {
    const output: TensorOutput = { datatype: 'INT64', shape: [1], data: BigInt64Array.of(9007199254740993n) };
    const result = { model: 'm', version: 1, id: '', servedBy: '', attempts: 1, requestId: '', outputs: { y: output } };
    expect(jsonOfResult(result)).toContain('"data": [9007199254740993]');
  });

  it('writes 32-bit floats so that they read back as the same', () => {
    const values = Float32Array.from({ length: 1_000 }, (_, at) => Math.sin(at) * 10 ** ((at % 60) - 30));
    const read = dataOf({ datatype: 'FP32', shape: [1_000], data: values }) as number[];
    expect(Float32Array.from(read)).toEqual(values);
    const digits = read.map((value) => value.toExponential().replace(/e.*|[-.]/g, '').length);
    expect(Math.max(...digits)).toBeLessThanOrEqual(9);
  });
});
