import { inference } from '@bms/contracts';
import { inferRequest, isBytes, readInferInputs, typedArrayOf, type Tensor } from '.';
import { refusal } from './refusal.testkit';
import { signature, spec } from './signature.testkit';

type Parts = Parameters<typeof inference.ModelInferRequest.create>[0];

/** A request as it comes off the wire, where bytes are views at odd offsets. */
function request(parts: Parts): inference.ModelInferRequest {
  const encoded = inference.ModelInferRequest.encode(inference.ModelInferRequest.create(parts)).finish();
  return inference.ModelInferRequest.decode(encoded);
}

function values(tensor: Tensor | undefined): unknown[] {
  if (tensor === undefined) return [];
  return isBytes(tensor) ? [...tensor.elements] : [...typedArrayOf(tensor.datatype, tensor.data)];
}

const floats = (...numbers: number[]): Uint8Array => new Uint8Array(new Float32Array(numbers).buffer);
const two = signature([spec('x', 'FP32', ['batch', 2])], [spec('y', 'FP32', [null]), spec('z', 'INT64', [null])]);
const x = { name: 'x', datatype: 'FP32', shape: [1n, 2n] };

describe('readInferInputs', () => {
  it('reads raw contents as views of the request', () => {
    const wire = request({ inputs: [x], rawInputContents: [floats(1, 2)] });
    const read = readInferInputs(wire, two);
    expect(read).toMatchObject({ typed: false, outputs: ['y', 'z'] });
    expect(read.inputs).toMatchObject([{ name: 'x', datatype: 'FP32', shape: [1, 2] }]);
    expect(values(read.inputs[0])).toEqual([1, 2]);
    expect((read.inputs[0] as { data: Uint8Array }).data.buffer).toBe(wire.rawInputContents[0]?.buffer);
  });

  it('reads typed contents and says so', () => {
    const read = readInferInputs(
      request({ inputs: [{ ...x, contents: { fp32Contents: [1.5, -2] } }], outputs: [{ name: 'z' }] }),
      two,
    );
    expect(read).toMatchObject({ typed: true, outputs: ['z'] });
    expect(values(read.inputs[0])).toEqual([1.5, -2]);
  });

  it('gives the inputs in the order of the signature', () => {
    const both = signature([spec('a', 'FP32', [1]), spec('b', 'FP32', [1])]);
    const wire = request({
      inputs: [
        { name: 'b', datatype: 'FP32', shape: [1n] },
        { name: 'a', datatype: 'FP32', shape: [1n] },
      ],
      rawInputContents: [floats(2), floats(1)],
    });
    expect(readInferInputs(wire, both).inputs.map((tensor) => [tensor.name, ...values(tensor)])).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
  });

  it.each([
    ['BOOL', { boolContents: [true, false] }, [1, 0]],
    ['UINT8', { uintContents: [0, 255] }, [0, 255]],
    ['UINT16', { uintContents: [0, 65535] }, [0, 65535]],
    ['UINT32', { uintContents: [0, 4294967295] }, [0, 4294967295]],
    ['UINT64', { uint64Contents: [0n, 2n ** 64n - 1n] }, [0n, 2n ** 64n - 1n]],
    ['INT8', { intContents: [-128, 127] }, [-128, 127]],
    ['INT16', { intContents: [-32768, 32767] }, [-32768, 32767]],
    ['INT32', { intContents: [-(2 ** 31), 2 ** 31 - 1] }, [-(2 ** 31), 2 ** 31 - 1]],
    ['INT64', { int64Contents: [-(2n ** 63n), 2n ** 63n - 1n] }, [-(2n ** 63n), 2n ** 63n - 1n]],
    ['FP32', { fp32Contents: [NaN, -Infinity] }, [NaN, -Infinity]],
    ['FP64', { fp64Contents: [0.1, -0] }, [0.1, -0]],
    ['BYTES', { bytesContents: [Uint8Array.of(1, 2), new Uint8Array()] }, [Uint8Array.of(1, 2), new Uint8Array()]],
  ])('reads typed %s', (datatype, contents, expected) => {
    const wire = request({ inputs: [{ name: 'x', datatype, shape: [2n], contents }] });
    const read = readInferInputs(wire, signature([spec('x', datatype, [null])])).inputs[0];
    expect(values(read)).toEqual(expected);
  });

  it('takes a scalar, an empty tensor and any shape where the rank is open', () => {
    const scalar = readInferInputs(
      request({ inputs: [{ name: 'x', datatype: 'FP32', shape: [] }], rawInputContents: [floats(7)] }),
      signature([spec('x', 'FP32', [])]),
    );
    expect(scalar.inputs[0]?.shape).toEqual([]);
    const empty = readInferInputs(request({ inputs: [{ ...x, shape: [0n, 2n] }] }), two);
    expect(empty).toMatchObject({ typed: true, inputs: [{ shape: [0, 2] }] });
    const open = readInferInputs(
      request({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 1n, 1n] }], rawInputContents: [floats(7)] }),
      signature([spec('x', 'FP32', 'unranked')]),
    );
    expect(open.inputs[0]?.shape).toEqual([1, 1, 1]);
  });

  it('takes a request without inputs for a model without inputs', () => {
    expect(readInferInputs(request({}), signature([]))).toEqual({ inputs: [], typed: false, outputs: ['y'] });
  });

  it('reads back what inferRequest writes', () => {
    const written = inferRequest({
      modelName: 'm',
      modelVersion: '3',
      id: 'a',
      inputs: [{ name: 's', datatype: 'BYTES', shape: [2], elements: [Uint8Array.of(9), new Uint8Array()] }],
      outputs: ['y'],
    });
    expect(written).toMatchObject({ modelName: 'm', modelVersion: '3', id: 'a' });
    const read = readInferInputs(request(written), signature([spec('s', 'BYTES', [2])]));
    expect(values(read.inputs[0])).toEqual([Uint8Array.of(9), new Uint8Array()]);
  });

  const refusals: [string, Parts, string][] = [
    [
      'a wrong input name',
      { inputs: [{ ...x, name: 'pixel' }] },
      `inputs[0].name: "pixel" is no input: the model's inputs are "x"`,
    ],
    [
      'a missing input',
      { inputs: [] },
      `INVALID_TENSOR inputs: lacks "x" (FP32 [batch, 2]): the model's inputs are "x"`,
    ],
    ['an extra input', { inputs: [x, { ...x, name: 'w' }] }, 'inputs[1].name: "w" is no input'],
    ['an input twice', { inputs: [x, x] }, 'inputs[1].name: "x" is there twice'],
    ['a wrong datatype', { inputs: [{ ...x, datatype: 'FP64' }] }, 'inputs[0].datatype: is FP64, but "x" takes FP32'],
    [
      'an unknown datatype',
      { inputs: [{ ...x, datatype: 'float' }] },
      'inputs[0].datatype: "float" is not a datatype: allowed are',
    ],
    [
      'a wrong rank',
      { inputs: [{ ...x, shape: [2n] }] },
      'inputs[0].shape: is [2], but "x" takes [batch, 2]: 2 dimensions are needed, not 1',
    ],
    [
      'a wrong fixed dimension',
      { inputs: [{ ...x, shape: [1n, 3n] }] },
      'inputs[0].shape: is [1, 3], but "x" takes [batch, 2]: dimension 1 must be 2',
    ],
    [
      'a negative dimension',
      { inputs: [{ ...x, shape: [-1n, 2n] }] },
      'inputs[0].shape[0]: is -1: a request needs actual sizes, 0 or more',
    ],
    [
      'an overflowing dimension',
      { inputs: [{ ...x, shape: [2n ** 63n - 1n, 2n] }] },
      'inputs[0].shape[0]: is 9223372036854775807: at most',
    ],
    [
      'an overflowing product',
      { inputs: [{ ...x, shape: [2n ** 53n - 1n, 2n] }] },
      'inputs[0].shape: [9007199254740991, 2] takes more elements',
    ],
    [
      'bytes that do not fill the shape',
      { inputs: [x], rawInputContents: [floats(1)] },
      'raw_input_contents[0]: has 4 bytes, but FP32 [1, 2] takes 8',
    ],
    [
      'too many bytes',
      { inputs: [x], rawInputContents: [floats(1, 2, 3)] },
      'raw_input_contents[0]: has 12 bytes, but FP32 [1, 2] takes 8',
    ],
    [
      'values that do not fill the shape',
      { inputs: [{ ...x, contents: { fp32Contents: [1] } }] },
      'inputs[0].contents.fp32_contents: has 1 values, but shape [1, 2] takes 2',
    ],
    ['no values at all', { inputs: [x] }, 'inputs[0].contents.fp32_contents: has 0 values'],
    [
      'values in the wrong field',
      { inputs: [{ ...x, contents: { fp64Contents: [1, 2] } }] },
      'inputs[0].contents.fp64_contents: FP32 goes in fp32_contents',
    ],
    [
      'raw and typed contents',
      { inputs: [{ ...x, contents: { fp32Contents: [1, 2] } }], rawInputContents: [floats(1, 2)] },
      'INVALID_REQUEST inputs[0].contents: must be empty where raw_input_contents is used',
    ],
    [
      'unequal raw count',
      { inputs: [x], rawInputContents: [floats(1, 2), floats(1, 2)] },
      'INVALID_REQUEST raw_input_contents: has 2 entries for 1 inputs',
    ],
    [
      'an unknown output',
      { inputs: [x], rawInputContents: [floats(1, 2)], outputs: [{ name: 'label' }] },
      `INVALID_REQUEST outputs[0].name: "label" is no output: the model's outputs are "y", "z"`,
    ],
    [
      'an output twice',
      { inputs: [x], rawInputContents: [floats(1, 2)], outputs: [{ name: 'y' }, { name: 'y' }] },
      'outputs[1].name: "y" is there twice',
    ],
    [
      'shared memory',
      { inputs: [{ ...x, parameters: { shared_memory_region: {} } }] },
      'UNIMPLEMENTED inputs[0].parameters.shared_memory_region: shared memory is not offered',
    ],
    [
      'classification',
      { inputs: [x], rawInputContents: [floats(1, 2)], outputs: [{ name: 'y', parameters: { classification: {} } }] },
      'UNIMPLEMENTED outputs[0].parameters.classification',
    ],
  ];
  it.each(refusals)('refuses %s, naming the field', (_what, parts, sentence) => {
    expect(refusal(() => readInferInputs(request(parts), two))).toContain(sentence);
  });

  it.each([
    [
      'INT8',
      { intContents: [0, 0, 0, 300] },
      'inputs[0].contents.int_contents[3]: 300 is out of range for INT8: -128 to 127',
    ],
    ['INT16', { intContents: [0, -32769, 0, 0] }, 'int_contents[1]: -32769 is out of range for INT16'],
    ['UINT8', { uintContents: [256, 0, 0, 0] }, 'uint_contents[0]: 256 is out of range for UINT8: 0 to 255'],
    [
      'FP16',
      { fp32Contents: [1, 2, 3, 4] },
      'inputs[0].contents: FP16 has no typed form: send it in raw_input_contents',
    ],
  ])('refuses typed %s that it cannot hold', (datatype, contents, sentence) => {
    const wire = request({ inputs: [{ name: 'x', datatype, shape: [4n], contents }] });
    expect(refusal(() => readInferInputs(wire, signature([spec('x', datatype, [null])])))).toContain(sentence);
  });

  describe('a symbol', () => {
    const input = (name: string, ...shape: bigint[]): object => ({ name, datatype: 'INT8', shape });
    const raw = (...sizes: number[]): Uint8Array[] => sizes.map((size) => new Uint8Array(size));

    it('must have one size in all inputs', () => {
      const shared = signature([spec('a', 'INT8', ['n']), spec('b', 'INT8', [2, 'n'])]);
      const wire = request({ inputs: [input('a', 3n), input('b', 2n, 4n)], rawInputContents: raw(3, 8) });
      expect(refusal(() => readInferInputs(wire, shared))).toContain(
        'inputs[1].shape[1]: is 4, but "n" is already 3 by inputs[0].shape[0]: the model wants one size for both',
      );
    });

    it('may have two sizes within one input, and what has no symbol any size', () => {
      const square = signature([spec('a', 'INT8', ['n', 'n']), spec('b', 'INT8', [null])]);
      const wire = request({ inputs: [input('a', 2n, 3n), input('b', 5n)], rawInputContents: raw(6, 5) });
      expect(readInferInputs(wire, square).inputs.map(({ shape }) => shape)).toEqual([[2, 3], [5]]);
    });
  });
});
