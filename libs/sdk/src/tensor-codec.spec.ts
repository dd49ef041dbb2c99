import { BmsError } from '@bms/contracts';
import { isBytes, type FixedSizeTensor } from '@bms/tensor';
import { outputOf, tensorOf } from './tensor-codec';
import type { TensorData, TensorInput } from './tensor-value';

const ofText = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('tensorOf and outputOf', () => {
  const roundTrips: readonly [TensorInput['datatype'], TensorData, unknown][] = [
    ['FP32', [1.5, -2], Float32Array.of(1.5, -2)],
    ['FP32', Float32Array.of(1.5, -2), Float32Array.of(1.5, -2)],
    ['FP32', Float64Array.of(1.5, -2), Float32Array.of(1.5, -2)],
    ['FP64', [0.1, NaN], Float64Array.of(0.1, NaN)],
    ['FP16', [1.5, 65_504], Float32Array.of(1.5, 65_504)],
    ['FP16', Uint16Array.of(0x3e00, 0x8000), Float32Array.of(1.5, -0)],
    ['BF16', [1.5, -2], Float32Array.of(1.5, -2)],
    ['INT8', [-128, 127], Int8Array.of(-128, 127)],
    ['INT16', Int32Array.of(-5, 5), Int16Array.of(-5, 5)],
    ['INT32', [-(2 ** 31), 2 ** 31 - 1], Int32Array.of(-(2 ** 31), 2 ** 31 - 1)],
    ['INT64', [1, -2], BigInt64Array.of(1n, -2n)],
    ['INT64', [2n ** 63n - 1n, 0n], BigInt64Array.of(2n ** 63n - 1n, 0n)],
    ['UINT8', [0, 255], Uint8Array.of(0, 255)],
    ['UINT16', [0, 65_535], Uint16Array.of(0, 65_535)],
    ['UINT32', [0, 2 ** 32 - 1], Uint32Array.of(0, 2 ** 32 - 1)],
    ['UINT64', [2n ** 64n - 1n, 7n], BigUint64Array.of(2n ** 64n - 1n, 7n)],
    ['BOOL', [true, false], [true, false]],
    ['BOOL', Uint8Array.of(1, 0), [true, false]],
    ['BYTES', ['é', ''], [ofText('é'), ofText('')]],
    ['BYTES', [Uint8Array.of(0, 255), Uint8Array.of()], [Uint8Array.of(0, 255), Uint8Array.of()]],
  ];
  it.each(roundTrips)('carry %s from %p', (datatype, data, expected) => {
    const tensor = tensorOf('x', { datatype, shape: [2], data }, 'inputs.x');
    expect(outputOf(tensor)).toEqual({ datatype, shape: [2], data: expected });
  });

  it('send a typed array of the datatype without a copy', () => {
    const data = Float32Array.of(1, 2, 3).subarray(1);
    const tensor = tensorOf('x', { datatype: 'FP32', shape: [2], data }, 'inputs.x');
    expect(isBytes(tensor)).toBe(false);
    expect((tensor as FixedSizeTensor).data.buffer).toBe(data.buffer);
  });

  it.each([
    ['INT8', [128, 0], '128 is no INT8'],
    ['INT8', [1.5, 0], '1.5 is no INT8'],
    ['UINT64', [-1n, 0n], '-1n is no UINT64'],
    ['INT64', [2 ** 53, 0], '9007199254740992 is no INT64'],
    ['INT64', [2n ** 63n, 0n], '9223372036854775808n is no INT64'],
    ['FP32', ['1', '2'], '"1" is no FP32'],
    ['BOOL', [2, 0], '2 is no BOOL'],
    ['BYTES', [1, 2], 'BYTES takes string[] or Uint8Array[]'],
    ['BYTES', Uint8Array.of(1, 2), 'BYTES takes string[] or Uint8Array[]'],
    ['FP32', [1], 'has 1 elements, but the shape [2] takes 2'],
    ['FP31', [1, 2], '"FP31" is not a datatype'],
  ] as readonly [TensorInput['datatype'], TensorData, string][])('refuse %s of %p', (datatype, data, sentence) => {
    const encode = (): unknown => tensorOf('x', { datatype, shape: [2], data }, 'inputs.x');
    expect(encode).toThrow(BmsError);
    expect(encode).toThrow(sentence);
  });

  it('refuses a shape that is none, naming the dimension', () => {
    const encode = (): unknown => tensorOf('x', { datatype: 'FP32', shape: [2, -1], data: [] }, 'inputs.x');
    expect(encode).toThrow('inputs.x.shape[1]');
  });
});
