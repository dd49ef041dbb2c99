import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspectOnnx, inspectOnnxFile, type ByteSource } from '.';
import { inspectBytes, refusalOf } from './refusal.testkit';
import {
  addModel,
  buildOnnxModel,
  identityModel,
  loopModel,
  matMulModel,
  onnxGraph,
  onnxTensor,
  onnxValue,
  ProtoWriter,
  textIdentityModel,
  type OnnxValue,
} from './testkit';

const never = new AbortController().signal;

function spec(name: string, datatype: string, shape: readonly bigint[], symbols: readonly string[]): object {
  return { name, datatype, shape, symbols, unranked: false };
}

describe('inspectOnnx', () => {
  it('reads names, datatypes, shapes and symbols', async () => {
    expect((await inspectBytes(addModel())).signature).toEqual({
      inputs: [spec('a', 'FP32', [-1n, 2n], ['batch', '']), spec('b', 'FP32', [-1n, 2n], ['batch', ''])],
      outputs: [spec('sum', 'FP32', [-1n, 2n], ['batch', ''])],
    });
    expect((await inspectBytes(textIdentityModel())).signature.inputs).toEqual([spec('x', 'BYTES', [-1n], ['batch'])]);
    expect((await inspectBytes(loopModel())).signature.inputs[1]).toEqual(spec('rounds', 'INT64', [], []));
  });

  it('leaves out inputs that have an initializer, dense or sparse, whatever their type', async () => {
    const value = (name: string, type: OnnxValue['type'] = 'FP32'): OnnxValue => ({ name, type, shape: [1] });
    const tensor = onnxTensor({ name: 'sparse', type: 'FP32', dims: [1], data: new Float32Array(1) });
    const graph = onnxGraph({
      inputs: [value('x'), value('dense', 14), value('sparse')],
      outputs: [value('y')],
      initializers: [{ name: 'dense', type: 14, dims: [1], data: new Float64Array(1) }],
    }).message(15, new ProtoWriter().message(1, tensor));
    const model = new ProtoWriter().varint(1, 3).message(7, graph).message(8, new ProtoWriter().varint(2, 9));
    expect((await inspectBytes(model.finish())).signature.inputs.map(({ name }) => name)).toEqual(['x']);
  });

  it.each<[string, OnnxValue['shape'], bigint[], string[]]>([
    ['-1, which some exporters write for a free dimension', [-1, 3], [-1n, 3n], ['', '']],
    ['a dimension that says nothing', [null, 3], [-1n, 3n], ['', '']],
    ['a placeholder, which is no symbol', ['None', '?', 'N'], [-1n, -1n, -1n], ['', '', 'N']],
    ['a dimension of 0', [0], [0n], ['']],
    ['a scalar', [], [], []],
  ])('reads %s', async (_what, shape, expected, symbols) => {
    expect((await inspectBytes(identityModel('FP32', shape))).signature.inputs).toEqual([
      spec('x', 'FP32', expected, symbols),
    ]);
  });

  it('says where a rank is open', async () => {
    const model = buildOnnxModel({ inputs: [{ name: 'x', type: 'FP32' }], outputs: [{ name: 'y', type: 'INT8' }] });
    expect((await inspectBytes(model)).signature).toEqual({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [], symbols: [], unranked: true }],
      outputs: [{ name: 'y', datatype: 'INT8', shape: [], symbols: [], unranked: true }],
    });
  });

  it.each([
    ['BOOL', 9],
    ['UINT8', 2],
    ['UINT16', 4],
    ['UINT32', 12],
    ['UINT64', 13],
    ['INT8', 3],
    ['INT16', 5],
    ['INT32', 6],
    ['INT64', 7],
    ['FP16', 10],
    ['BF16', 16],
    ['FP32', 1],
    ['FP64', 11],
    ['BYTES', 8],
  ])('reads the datatype %s from number %d', async (datatype, number) => {
    expect((await inspectBytes(identityModel(number, [1]))).signature.outputs[0]?.datatype).toBe(datatype);
  });

  it('tells operator sets, IR version, producer and metadata', async () => {
    const bytes = buildOnnxModel({
      outputs: [{ name: 'y', type: 'FP32', shape: [1] }],
      opset: 19,
      opsets: { 'ai.onnx.ml': 3 },
      irVersion: 9,
      producer: 'pytorch',
      producerVersion: '2.1.0',
      metadata: { author: 'me', large: 'x'.repeat(6000) },
    });
    expect(await inspectBytes(bytes)).toMatchObject({
      opsets: 'ai.onnx 19, ai.onnx.ml 3',
      irVersion: 9,
      producer: 'pytorch 2.1.0',
      metadata: { author: 'me' },
      externalData: [],
    });
  });

  it('takes fields in any order, and a graph in two parts, as protobuf allows', async () => {
    const value = onnxValue({ name: 'y', type: 'FP32', shape: [1] });
    const model = new ProtoWriter()
      .message(7, new ProtoWriter().message(12, value))
      .message(8, new ProtoWriter().varint(2, 9))
      .message(7, new ProtoWriter().message(11, onnxValue({ name: 'x', type: 'FP32', shape: [1] })))
      .varint(1, 8);
    const { signature } = await inspectBytes(model.finish());
    expect([signature.inputs[0]?.name, signature.outputs[0]?.name]).toEqual(['x', 'y']);
  });

  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(), 'it is empty'],
    [
      'a message without a graph',
      new ProtoWriter().varint(1, 8).text(2, 'me').finish(),
      'it has no graph, so it is no ONNX model',
    ],
    ['a graph without an IR version', new ProtoWriter().message(7, onnxGraph({})).finish(), 'it has no IR version'],
    [
      'a graph without operator sets',
      new ProtoWriter().varint(1, 8).message(7, onnxGraph({})).finish(),
      'it names no operator sets',
    ],
    ['a graph without outputs', buildOnnxModel({}), 'it has no outputs'],
    [
      'an input twice',
      buildOnnxModel({
        inputs: [
          { name: 'x', type: 'FP32' },
          { name: 'x', type: 'FP32' },
        ],
        outputs: [{ name: 'y', type: 'FP32' }],
      }),
      'two of its inputs are called "x"',
    ],
    [
      'an output twice',
      buildOnnxModel({
        outputs: [
          { name: 'y', type: 'FP32' },
          { name: 'y', type: 'FP32' },
        ],
      }),
      'two of its outputs are called "y"',
    ],
    [
      'an input without a name',
      buildOnnxModel({ inputs: [{ name: '', type: 'FP32' }], outputs: [{ name: 'y', type: 'FP32' }] }),
      'an input has no name',
    ],
    ['a negative dimension', identityModel('FP32', [-5]), 'input "x" has a dimension of -5'],
    ['65 dimensions', identityModel('FP32', new Array<number>(65).fill(1)), 'a value has more than 64 dimensions'],
    [
      'complex numbers',
      identityModel(14),
      'input "x" is of type complex64, which no protocol carries: cast it in the model',
    ],
    ['8-bit floats', identityModel(17), 'is of type float8e4m3fn'],
    ['4-bit integers', identityModel(22), 'is of type int4'],
    ['a type of the future', identityModel(99), 'is of type number 99'],
    ['an undefined type', identityModel(0), 'is of type number 0'],
  ])('refuses %s', async (_what, bytes, sentence) => {
    expect(await refusalOf(bytes)).toContain(sentence);
  });

  it.each([
    [4, 'a sequence'],
    [5, 'a map'],
    [8, 'a sparse tensor'],
    [9, 'an optional'],
  ])('refuses an input whose type is of kind %d: %s', async (kind, what) => {
    const type = new ProtoWriter().message(kind, new ProtoWriter());
    const graph = onnxGraph({ outputs: [{ name: 'y', type: 'FP32', shape: [1] }] }).message(
      11,
      new ProtoWriter().text(1, 'x').message(2, type),
    );
    const model = new ProtoWriter().varint(1, 8).message(7, graph).message(8, new ProtoWriter().varint(2, 17));
    expect(await refusalOf(model.finish())).toBe(`input "x" is ${what}: only tensors can be served`);
  });

  it('refuses an output without a type', async () => {
    const graph = new ProtoWriter().message(12, new ProtoWriter().text(1, 'y'));
    const model = new ProtoWriter().varint(1, 8).message(7, graph).message(8, new ProtoWriter().varint(2, 17));
    expect(await refusalOf(model.finish())).toBe('output "y" has no type: onnx.shape_inference can add it');
  });

  it('reads a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bms-onnx-'));
    try {
      const path = join(folder, 'model.onnx');
      writeFileSync(path, matMulModel());
      expect(await inspectOnnxFile(path, never)).toEqual(await inspectBytes(matMulModel()));
      await expect(inspectOnnxFile(join(folder, 'nothing.onnx'), never)).rejects.toMatchObject({ code: 'ENOENT' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('stops when its signal is aborted', async () => {
    await expect(
      inspectOnnx({ sizeBytes: 9, read: () => Promise.reject(new Error('read')) }, AbortSignal.abort()),
    ).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

/** A model of `weights` weights of `weightBytes` zeros each, of which only the rest exists; counts what is read of it. */
function largeModel(
  weights: number,
  weightBytes: number,
): { source: ByteSource; reads: () => number; readBytes: () => number } {
  const weight = (at: number): Uint8Array =>
    new ProtoWriter()
      .varint(1, weightBytes / 4)
      .varint(2, 1)
      .text(8, `weight${at}`)
      .length(9, weightBytes)
      .finish();
  const heads = Array.from({ length: weights }, (_, at) => weight(at));
  const tail = onnxGraph({
    inputs: [{ name: 'x', type: 'FP32' }],
    outputs: [{ name: 'y', type: 'FP32', shape: [1] }],
  }).finish();
  const framed = heads.map((head) =>
    new ProtoWriter()
      .length(5, head.length + weightBytes)
      .raw(head)
      .finish(),
  );
  const graphBytes = framed.reduce((sum, head) => sum + head.length + weightBytes, tail.length);
  const front = new ProtoWriter()
    .varint(1, 8)
    .message(8, new ProtoWriter().varint(2, 17))
    .length(7, graphBytes)
    .finish();

  const parts: [start: number, bytes: Uint8Array][] = [];
  let at = 0;
  const put = (bytes: Uint8Array, gapBytes = 0): void => {
    parts.push([at, bytes]);
    at += bytes.length + gapBytes;
  };
  put(front);
  for (const head of framed) put(head, weightBytes);
  put(tail);

  let reads = 0;
  let readBytes = 0;
  const source: ByteSource = {
    sizeBytes: at,
    read: async (offsetBytes, lengthBytes) => {
      const bytes = new Uint8Array(Math.min(lengthBytes, at - offsetBytes));
      for (const [start, part] of parts) {
        const from = Math.max(start, offsetBytes);
        const to = Math.min(start + part.length, offsetBytes + bytes.length);
        if (from < to) bytes.set(part.subarray(from - start, to - start), from - offsetBytes);
      }
      reads++;
      readBytes += bytes.length;
      return bytes;
    },
  };
  return { source, reads: () => reads, readBytes: () => readBytes };
}

describe('a large model', () => {
  it('of almost 2 GiB is read by a few small reads', async () => {
    const { source, reads, readBytes } = largeModel(100, 21_000_000);
    expect(source.sizeBytes).toBeGreaterThan(2_000_000_000);
    const { signature } = await inspectOnnx(source, never);
    expect(signature.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(reads()).toBeLessThan(110);
    expect(readBytes()).toBeLessThan(8_000_000);
  });

  it('of over 2 GiB is refused, with the remedy', async () => {
    const { source } = largeModel(110, 21_000_000);
    await expect(inspectOnnx(source, never)).rejects.toThrow(
      'an ONNX file at most 2147483647: save its weights as external data',
    );
  });
});
