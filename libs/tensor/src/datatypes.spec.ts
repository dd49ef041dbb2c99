import {
  DATATYPES,
  DATATYPE_NAMES,
  datatypeOf,
  datatypeOfNumpy,
  datatypeOfOnnx,
  datatypeOfRuntime,
  datatypeOfTensorflow,
} from '.';
import { refusal } from './refusal.testkit';

describe('datatypes', () => {
  it('knows the names and numbers of ONNX, onnxruntime, numpy and TensorFlow', () => {
    expect(datatypeOfOnnx(1)).toBe('FP32');
    expect(datatypeOfOnnx(16)).toBe('BF16');
    expect(datatypeOfRuntime('string')).toBe('BYTES');
    expect(datatypeOfNumpy('float16')).toBe('FP16');
    expect(datatypeOfTensorflow(9)).toBe('INT64');
    expect(datatypeOfTensorflow('DT_HALF')).toBe('FP16');
  });

  it('leads from every name back to the same datatype', () => {
    for (const name of DATATYPE_NAMES) {
      const { onnx, numpy, tensorflow, runtime } = DATATYPES[name];
      expect(datatypeOf(name)).toBe(name);
      expect(datatypeOfOnnx(onnx)).toBe(name);
      expect(datatypeOfNumpy(numpy)).toBe(name);
      expect(datatypeOfTensorflow(tensorflow.number)).toBe(name);
      expect(datatypeOfTensorflow(tensorflow.name)).toBe(name);
      if (runtime !== undefined) expect(datatypeOfRuntime(runtime)).toBe(name);
    }
  });

  it.each([
    [
      'an unknown name',
      () => datatypeOf('FLOAT', 'inputs[0].datatype'),
      'INVALID_TENSOR inputs[0].datatype: "FLOAT" is not a datatype: allowed are BOOL, UINT8, ',
    ],
    ['a property of every object', () => datatypeOf('constructor'), '"constructor" is not a datatype'],
    ['an unknown ONNX number', () => datatypeOfOnnx(14, 'x'), 'x: "14" is not a datatype: allowed are 9, 2, 4, '],
    [
      'an unknown runtime name',
      () => datatypeOfRuntime('bfloat16'),
      '"bfloat16" is not a datatype: allowed are bool, ',
    ],
    ['an unknown numpy name', () => datatypeOfNumpy('complex64'), '"complex64"'],
    ['an unknown TensorFlow number', () => datatypeOfTensorflow(8), 'dtype: "8"'],
  ])('refuses %s and lists what is allowed', (_what, act, sentence) => {
    expect(refusal(act)).toContain(sentence);
  });
});
