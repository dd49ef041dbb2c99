import { models } from '@bms/contracts';
import { requestOfFile } from './input-file';

const signature = models.Signature.create({
  inputs: [
    { name: 'ids', datatype: 'INT64', shape: [-1n, 2n] },
    { name: 'scale', datatype: 'FP32', shape: [-1n] },
  ],
});
const only = models.Signature.create({ inputs: [{ name: 'words', datatype: 'BYTES', shape: [-1n] }] });

const neverAsked = async (): Promise<models.Signature> => Promise.reject(new Error('the signature was asked for'));
const ids = { datatype: 'INT64', shape: [1, 2], data: BigInt64Array.of(1n, 9007199254740993n) };
const scale = { datatype: 'FP32', shape: [1], data: Float32Array.of(0.5) };

describe('requestOfFile', () => {
  it.each([
    ['rows', '{"instances": [{"ids": [1, 9007199254740993], "scale": 0.5}]}'],
    ['columns', '{"inputs": {"ids": [[1, 9007199254740993]], "scale": [0.5]}}'],
  ])("reads TensorFlow Serving's %s by the signature, every digit kept", async (_, text) => {
    expect(await requestOfFile(text, async () => signature)).toEqual({ inputs: { ids, scale }, outputs: [] });
  });

  it('takes a list that is not of tensors for the value of the only input', async () => {
    const { inputs } = await requestOfFile('{"inputs": ["a", "ü"]}', async () => only);
    const data = [Uint8Array.of(97), Uint8Array.of(0xc3, 0xbc)];
    expect(inputs).toEqual({ words: { datatype: 'BYTES', shape: [2], data } });
  });

  it("reads the Open Inference Protocol's form of REST, flat or nested, without asking for the signature", async () => {
    const text = `{"model_name": "other", "outputs": [{"name": "y"}], "inputs": [
      {"name": "ids", "datatype": "INT64", "shape": [1, 2], "data": [[1, 9007199254740993]]},
      {"name": "scale", "datatype": "FP32", "shape": [1], "data": [0.5]}]}`;
    expect(await requestOfFile(text, neverAsked)).toEqual({
      inputs: {
        ids: { ...ids, data: [1, 9007199254740993n] },
        scale: { ...scale, data: [0.5] },
      },
      outputs: ['y'],
    });
  });

  it.each([
    ['snake_case', 'int64_contents', 'fp32_contents'],
    ['camelCase', 'int64Contents', 'fp32Contents'],
  ])('reads the JSON of its gRPC messages in %s', async (_, int64, fp32) => {
    const text = `{"model_name": "other", "inputs": [
      {"name": "ids", "datatype": "INT64", "shape": ["1", 2], "contents": {"${int64}": [1, "9007199254740993"]}},
      {"name": "scale", "datatype": "FP32", "shape": [1], "contents": {"${fp32}": [0.5]}}], "outputs": [{"name": "y"}]}`;
    expect(await requestOfFile(text, neverAsked)).toEqual({ inputs: { ids, scale }, outputs: ['y'] });
  });

  it('reads raw contents', async () => {
    const raw = Buffer.from(Float32Array.of(0.5).buffer).toString('base64');
    const text = `{"inputs": [{"name": "scale", "datatype": "FP32", "shape": [1]}], "raw_input_contents": ["${raw}"]}`;
    expect(await requestOfFile(text, neverAsked)).toEqual({ inputs: { scale }, outputs: [] });
  });

  it.each([
    ['not JSON', '{"instances": [1,]}', /is not JSON at line 1, column/],
    ['no object', '[1, 2]', /must be a JSON object with "instances" or "inputs"/],
    ['neither form', '{"inptus": {}}', /must have one of "instances"/],
    ['an unknown input', '{"inputs": {"ids": [[1, 2]], "size": 1}}', /inputs\.size: is no input: .* "ids", "scale"/],
    ['a name without a string', '{"inputs": [{"name": 1, "data": []}]}', /inputs\[0\]\.name: must be a string/],
    [
      'an unknown datatype',
      '{"inputs": [{"name": "x", "datatype": "float32", "shape": [1], "data": [1]}]}',
      /inputs\[0\]\.datatype: "float32" is not a datatype: allowed are BOOL/,
    ],
    [
      'no shape',
      '{"inputs": [{"name": "x", "datatype": "FP32", "data": [1]}]}',
      /inputs\[0\]\.shape: must be a list of whole numbers/,
    ],
    [
      'an input twice',
      '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}, {"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}',
      /inputs: "x" is there twice/,
    ],
    [
      'contents of another type',
      '{"inputs": [{"name": "x", "datatype": "INT64", "shape": [1], "contents": {"int64_contents": ["a"]}}]}',
      /body: is no ModelInferRequest: Cannot convert a to a BigInt/,
    ],
    [
      'contents that do not fill the shape',
      '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "contents": {"fp32_contents": [1]}}]}',
      /inputs\[0\]\.contents\.fp32_contents: has 1 values, but shape \[2\] takes 2/,
    ],
  ])('names what is wrong: %s', async (_, text, message) => {
    await expect(requestOfFile(text, async () => signature)).rejects.toThrow(message);
  });
});
