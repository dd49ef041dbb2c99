import {
  inferResponse,
  jsonOfResponse,
  newTypedArray,
  rawOf,
  smallFloatBits,
  type FixedSizeDatatype,
  type JsonForm,
  type Tensor,
} from '.';
import { refusal } from './refusal.testkit';

const row = (instances: number): JsonForm => ({ kind: 'row', instances });
const column: JsonForm = { kind: 'column' };

function tensor(
  name: string,
  datatype: FixedSizeDatatype,
  shape: number[],
  values: readonly (number | bigint)[],
): Tensor {
  const array = newTypedArray(datatype, values.length);
  for (const [at, value] of values.entries()) (array as { [at: number]: number | bigint })[at] = value;
  return { name, datatype, shape, data: rawOf(array) };
}

function json(form: JsonForm, ...outputs: Tensor[]): string {
  return jsonOfResponse(inferResponse({ modelName: 'm', modelVersion: '1', id: '', typed: false, outputs }), form);
}

describe('jsonOfResponse', () => {
  const y = tensor('y', 'FP32', [2, 2], [0.1, 1, -2.5, 3e10]);
  const label = tensor('label', 'INT64', [2], [7n, 9007199254740993n]);

  it('gives rows of a single output as a list of values', () => {
    expect(json(row(2), y)).toBe('{"predictions": [[0.1, 1.0], [-2.5, 30000000000.0]]}\n');
    expect(json(row(2), label)).toBe('{"predictions": [7, 9007199254740993]}\n');
  });

  it('gives rows of several outputs as a list of objects', () => {
    expect(json(row(2), y, label)).toBe(
      '{"predictions": [{"y": [0.1, 1.0], "label": 7}, {"y": [-2.5, 30000000000.0], "label": 9007199254740993}]}\n',
    );
  });

  it('gives columns as a value, or as an object of several', () => {
    expect(json(column, y)).toBe('{"outputs": [[0.1, 1.0], [-2.5, 30000000000.0]]}\n');
    expect(json(column, tensor('k', 'INT32', [], [4]), label)).toBe(
      '{"outputs": {"k": 4, "label": [7, 9007199254740993]}}\n',
    );
  });

  it.each([
    ['BOOL', [1, 0], '[true, false]'],
    ['UINT64', [2n ** 64n - 1n], '[18446744073709551615]'],
    ['INT8', [-128], '[-128]'],
    [
      'FP32',
      [NaN, Infinity, -Infinity, -0, 1e-45, 123456789, 3.4028235e38, 16777216],
      '[NaN, Infinity, -Infinity, -0.0, 1.4013e-45, 123456792.0, 3.4028235e+38, 16777216.0]',
    ],
    ['FP64', [0.1, 1e21, 5], '[0.1, 1e+21, 5.0]'],
    ['FP16', [0.1, 65504, NaN].map((value) => smallFloatBits('FP16', value)), '[0.1, 65504.0, NaN]'],
    ['BF16', [0.1, -3].map((value) => smallFloatBits('BF16', value)), '[0.1, -3.0]'],
  ] as const)('prints %s', (datatype, values, expected) => {
    expect(json(column, tensor('v', datatype, [values.length], values))).toBe(`{"outputs": ${expected}}\n`);
  });

  it('prints floats that read back as the same float', () => {
    const values = Array.from({ length: 2000 }, (_, at) => Math.fround(Math.sin(at + 1) * 10 ** ((at % 60) - 30)));
    const read = JSON.parse(json(column, tensor('v', 'FP32', [2000], values))) as { outputs: number[] };
    expect(read.outputs.map(Math.fround)).toEqual(values);
  });

  it('prints BYTES as strings, and in base64 where they are no text or the name says so', () => {
    const bytes = (name: string, ...elements: Uint8Array[]): Tensor => ({
      name,
      datatype: 'BYTES',
      shape: [elements.length],
      elements,
    });
    const text = new TextEncoder().encode('a"€');
    expect(json(row(2), bytes('s', text, Uint8Array.of(0xff)))).toBe('{"predictions": ["a\\"€", {"b64": "/w=="}]}\n');
    expect(json(row(1), bytes('s_bytes', text))).toBe('{"predictions": [{"b64": "YSLigqw="}]}\n');
  });

  it('prints empty tensors', () => {
    expect(json(column, tensor('v', 'FP32', [2, 0], []))).toBe('{"outputs": [[], []]}\n');
    expect(json(row(2), tensor('v', 'FP32', [2, 0], []))).toBe('{"predictions": [[], []]}\n');
  });

  it.each([
    [[], [1]],
    [[3], [1, 2, 3]],
  ])('refuses rows of an output of shape %j, and names the form that can carry it', (shape, values) => {
    expect(refusal(() => json(row(2), tensor('sum', 'FP32', shape, values)))).toBe(
      `INVALID_REQUEST instances: output "sum" has shape [${shape.join(', ')}], so not a row for each of the 2 instances: ` +
        'send the tensors whole, in "inputs"',
    );
  });
});
