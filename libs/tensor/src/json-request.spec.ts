import { inference } from '@bms/contracts';
import { isBytes, readInferInputs, requestOfJson, textsOfElements, typedArrayOf, type JsonForm } from '.';
import { refusal } from './refusal.testkit';
import { signature, spec } from './signature.testkit';

const single = (datatype: string, shape: Parameters<typeof spec>[2] = 'unranked') =>
  signature([spec('x', datatype, shape)]);
const pair = signature([spec('a', 'FP32', [null, 2]), spec('b', 'INT64', [null])]);

/** What a worker reads of a body: each input's shape and values. */
function read(
  body: string,
  of: ReturnType<typeof signature>,
): Record<string, [shape: readonly number[], values: unknown[]]> {
  const { request } = requestOfJson(body, of, { modelName: 'm' });
  const wire = inference.ModelInferRequest.decode(inference.ModelInferRequest.encode(request).finish());
  return Object.fromEntries(
    readInferInputs(wire, of).inputs.map((tensor) => [
      tensor.name,
      [
        tensor.shape,
        isBytes(tensor) ? textsOfElements(tensor.elements, 'x') : [...typedArrayOf(tensor.datatype, tensor.data)],
      ],
    ]),
  );
}

describe('requestOfJson', () => {
  it.each<[string, string, JsonForm, object]>([
    [
      'rows of an only input',
      '{"instances": [[1, 2], [3, 4]]}',
      { kind: 'row', instances: 2 },
      {
        x: [
          [2, 2],
          [1, 2, 3, 4],
        ],
      },
    ],
    ['scalar rows', '{"instances": [1, 2, 3]}', { kind: 'row', instances: 3 }, { x: [[3], [1, 2, 3]] }],
    [
      'rows that name an only input',
      '{"instances": [{"x": [5]}]}',
      { kind: 'row', instances: 1 },
      { x: [[1, 1], [5]] },
    ],
    [
      'an only input as a whole',
      '{"inputs": [[1], [2]]}',
      { kind: 'column' },
      {
        x: [
          [2, 1],
          [1, 2],
        ],
      },
    ],
    ['an only input by name', '{"inputs": {"x": 7}}', { kind: 'column' }, { x: [[], [7]] }],
    ['an empty tensor', '{"inputs": [[], []]}', { kind: 'column' }, { x: [[2, 0], []] }],
    ['a signature name', '{"signature_name": "serving_default", "inputs": 7}', { kind: 'column' }, { x: [[], [7]] }],
  ])('reads %s', (_what, body, form, expected) => {
    expect(requestOfJson(body, single('FP32'), { modelName: 'm' }).form).toEqual(form);
    expect(read(body, single('FP32'))).toEqual(expected);
  });

  it('reads several inputs in both forms, as text and as bytes', () => {
    const expected = {
      a: [
        [2, 2],
        [1, 2, 3, 4],
      ],
      b: [[2], [9007199254740993n, -1n]],
    };
    expect(read('{"instances": [{"a": [1, 2], "b": 9007199254740993}, {"b": -1, "a": [3, 4]}]}', pair)).toEqual(
      expected,
    );
    const columns = '{"inputs": {"b": [9007199254740993, -1], "a": [[1, 2], [3, 4]]}}';
    expect(read(columns, pair)).toEqual(expected);
    expect(requestOfJson(new TextEncoder().encode(columns), pair, { modelName: 'm' })).toEqual(
      requestOfJson(columns, pair, { modelName: 'm' }),
    );
  });

  it('carries the model and version that the address names', () => {
    const { request } = requestOfJson('{"inputs": 1}', single('FP32'), { modelName: 'm', modelVersion: 'stable' });
    expect(request).toMatchObject({ modelName: 'm', modelVersion: 'stable' });
  });

  it.each([
    ['BOOL', '[true, false]', [1, 0]],
    ['UINT8', '[0, 255.0]', [0, 255]],
    ['INT8', '[-128, 127]', [-128, 127]],
    ['UINT64', '[18446744073709551615, 1e3]', [18446744073709551615n, 1000n]],
    ['INT64', '[-9223372036854775808, 2]', [-9223372036854775808n, 2n]],
    ['FP16', '[1, -0.1]', [0x3c00, 0xae66]],
    ['BF16', '[1, -3]', [0x3f80, 0xc040]],
    ['FP32', '[0.1, 18446744073709551615]', [Math.fround(0.1), 2 ** 64]],
    ['FP64', '[0.1, -0]', [0.1, -0]],
    ['BYTES', '["€", {"b64": "aGk="}]', ['€', 'hi']],
  ])('reads %s', (datatype, list, values) => {
    const body = `{"inputs": ${list}}`;
    expect(read(body, single(datatype))['x']?.[1]).toEqual(values);
  });

  it('reads {"b64": …} as a value of an only input of BYTES, else as names', () => {
    expect(read('{"instances": [{"b64": "aGk"}, {"b64": "aGk="}]}', single('BYTES'))).toEqual({
      x: [[2], ['hi', 'hi']],
    });
    expect(read('{"inputs": {"b64": "aGk="}}', single('BYTES'))).toEqual({ x: [[], ['hi']] });
    expect(read('{"inputs": {"b64": [1]}}', signature([spec('b64', 'FP32', [null])]))).toEqual({ b64: [[1], [1]] });
  });

  it.each([
    ['no object', '[1]', 'INVALID_REQUEST body: must be a JSON object with "instances" or "inputs"'],
    ['neither form', '{"instance": [1]}', 'body: must have one of "instances" (a list of rows) and "inputs"'],
    ['both forms', '{"instances": [1], "inputs": [1]}', 'body: must have one of'],
    ['instances that are no list', '{"instances": 1}', 'instances: must be a list of rows'],
    ['no instances', '{"instances": []}', 'instances: is empty: at least one row is needed'],
    [
      'another signature',
      '{"signature_name": "classify", "inputs": 1}',
      'signature_name: is "classify": an ONNX model has one signature, "serving_default"',
    ],
    ['NaN', '{"instances": [[1, NaN]]}', 'instances[0][1]: is not JSON at line 1, column 20: "NaN"'],
    [
      'rows of unequal length',
      '{"instances": [[[1, 2]], [[1]]]}',
      'instances[1][0]: has 1 elements, but instances[0][0] has 2: rows of unequal length',
    ],
    [
      'a value among rows',
      '{"instances": [[1], 2]}',
      'instances[1]: is the number 2, but instances[0] is a list: rows of unequal depth',
    ],
    ['a row among values', '{"instances": [1, [2]]}', 'instances[1]: is a list, but FP32 takes numbers'],
    ['null', '{"instances": [[1, null]]}', 'instances[0][1]: is null, but FP32 takes numbers'],
    ['a string', '{"inputs": ["1"]}', 'inputs[0]: is the string "1", but FP32 takes numbers'],
    ['true', '{"inputs": [true]}', 'inputs[0]: is true, but FP32 takes numbers'],
    ['a number too large', '{"inputs": [1, 1e39]}', 'inputs[1]: is out of range for FP32'],
    ['an unknown input', '{"inputs": {"y": [1]}}', `inputs.y: is no input: the model's inputs are "x"`],
    ['an unknown input in a row', '{"instances": [{"x": 1}, {"x": 1, "y": 2}]}', 'instances[1].y: is no input'],
    ['a missing input', '{"instances": [{"x": 1}, {}]}', 'instances[1]: lacks "x"'],
    [
      'a value among objects',
      '{"instances": [{"x": 1}, 1]}',
      'instances[1]: is a value, but instances[0] is an object',
    ],
    [
      'an object among values',
      '{"instances": [1, {"x": 1}]}',
      'instances[1]: is an object, but instances[0] is a value',
    ],
  ])('refuses %s', (_what, body, sentence) => {
    expect(refusal(() => requestOfJson(body, single('FP32'), { modelName: 'm' }))).toContain(sentence);
  });

  it.each([
    ['INT8', '[300]', 'inputs[0]: is 300, which is out of range for INT8: -128 to 127'],
    ['INT64', '[9223372036854775808]', 'is 9223372036854775808, which is out of range for INT64'],
    ['INT64', '[1.5]', 'is the number 1.5, but INT64 takes whole numbers'],
    ['BOOL', '[1]', 'is the number 1, but BOOL takes true or false'],
    ['FP16', '[65520]', 'is out of range for FP16'],
    ['FP64', '[1e400]', 'is out of range for FP64'],
    ['BYTES', '[1]', 'is the number 1, but BYTES takes strings or {"b64": "…"}'],
    ['BYTES', '[{"b64": "a"}]', 'has a "b64" that is not base64'],
    ['BYTES', '["\\ud800"]', 'half a surrogate pair'],
  ])('refuses what %s cannot hold: %s', (datatype, list, sentence) => {
    expect(refusal(() => requestOfJson(`{"inputs": ${list}}`, single(datatype), { modelName: 'm' }))).toContain(
      sentence,
    );
  });

  it('refuses a shape that the input does not take, in the words of the body', () => {
    const pixels = signature([spec('pixels', 'FP32', ['batch', 3])]);
    const refused = (body: string): string => refusal(() => requestOfJson(body, pixels, { modelName: 'm' }));
    expect(refused('{"instances": [[1, 2]]}')).toContain(
      'instances: is [1, 2], but "pixels" takes [batch, 3]: dimension 1 must be 3',
    );
    expect(refused('{"instances": [{"pixels": [1, 2]}]}')).toContain(
      'instances[*].pixels: is [1, 2], but "pixels" takes',
    );
    expect(refused('{"inputs": [1, 2, 3]}')).toContain(
      'inputs: is [3], but "pixels" takes [batch, 3]: 2 dimensions are needed, not 1',
    );
    expect(refused('{"inputs": {"pixels": 1}}')).toContain('inputs.pixels: is [], but "pixels" takes');
  });

  it('wants names where a model has several inputs', () => {
    expect(refusal(() => requestOfJson('{"instances": [1]}', pair, { modelName: 'm' }))).toContain(
      `instances[0]: must be an object with the model's inputs: "a", "b"`,
    );
  });

  it('refuses bytes that are no UTF-8', () => {
    expect(refusal(() => requestOfJson(Uint8Array.of(0x22, 0xff, 0x22), pair, { modelName: 'm' }))).toContain(
      'body: is not JSON: it is not UTF-8',
    );
  });

  it('takes no memory for a shape that the body does not fill', () => {
    const rows = Array.from({ length: 50_000 }, () => '[]').join(',');
    const body = `{"inputs": [[${'0,'.repeat(50_000)}0],${rows}]}`;
    expect(refusal(() => requestOfJson(body, single('FP64'), { modelName: 'm' }))).toContain(
      'inputs[1]: has 0 elements, but inputs[0] has 50001',
    );
  });
});
