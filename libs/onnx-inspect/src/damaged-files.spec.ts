import { BmsError, Reason } from '@bms/contracts';
import { inspectBytes, refusalOf } from './refusal.testkit';
import { addModel, buildOnnxModel, externalDataModel, loopModel, matMulModel, onnxGraph, ProtoWriter } from './testkit';

const samples = [addModel(), loopModel(), matMulModel(), externalDataModel().model];

/** Whether a file is taken or refused; whatever else is thrown fails the test. */
async function verdict(bytes: Uint8Array): Promise<'taken' | 'refused'> {
  try {
    await inspectBytes(bytes);
    return 'taken';
  } catch (error) {
    if (BmsError.is(error, Reason.INVALID_MODEL)) return 'refused';
    throw error;
  }
}

describe('a damaged file', () => {
  it('that is cut off anywhere is refused', async () => {
    for (const bytes of samples) {
      // the last field is the list of operator sets: without it the file ends well, but means nothing
      for (let length = 0; length < bytes.length; length++)
        expect(await verdict(bytes.subarray(0, length))).toBe('refused');
    }
  });

  it('says where it breaks off', async () => {
    const bytes = matMulModel();
    expect(await refusalOf(bytes.subarray(0, 60))).toMatch(
      /^it breaks off: \d+ bytes are due at byte \d+, but it has only 60/,
    );
  });

  it('with any bytes changed is taken or refused, and nothing else', async () => {
    let state = 7; // any seed: the same damage each time
    const below = (limit: number): number => (state = (state * 48271) % 0x7fffffff) % limit;
    const verdicts = new Set<string>();
    for (let round = 0; round < 4000; round++) {
      const bytes = (samples[round % samples.length] as Uint8Array).slice();
      for (let changes = 1 + below(4); changes > 0; changes--) bytes[below(bytes.length)] = below(256);
      verdicts.add(await verdict(bytes));
    }
    expect(verdicts).toEqual(new Set(['taken', 'refused']));
  });

  it('of random bytes is refused', async () => {
    let state = 11;
    for (let round = 0; round < 500; round++) {
      const bytes = Uint8Array.from({ length: 200 }, () => (state = (state * 48271) % 0x7fffffff) & 0xff);
      expect(await verdict(bytes)).toBe('refused');
    }
  });

  const graph = (): ProtoWriter => onnxGraph({ outputs: [{ name: 'y', type: 'FP32', shape: [1] }] });
  const model = (content: ProtoWriter): Uint8Array =>
    new ProtoWriter().varint(1, 8).message(8, new ProtoWriter().varint(2, 17)).message(7, content).finish();
  const nested = (depth: number): ProtoWriter =>
    depth === 0
      ? graph()
      : graph().message(1, new ProtoWriter().message(5, new ProtoWriter().message(6, nested(depth - 1))));

  it.each<[string, Uint8Array, string]>([
    [
      'a length of 2^63',
      new ProtoWriter()
        .varint(1, 8)
        .length(7, 2n ** 63n)
        .finish(),
      'or a damaged one: what stands at byte 2',
    ],
    [
      'a length of 2^62',
      new ProtoWriter()
        .varint(1, 8)
        .length(7, 2n ** 62n)
        .finish(),
      'it breaks off: 4611686018427388000 bytes are due',
    ],
    [
      'a varint without end',
      new ProtoWriter().varint(1, 8).raw(new Array<number>(20).fill(0xff)).finish(),
      'what stands at byte 2',
    ],
    ['field number 0', new ProtoWriter().varint(1, 8).raw([0x02, 0x00]).finish(), 'what stands at byte 2'],
    [
      'a group, which ONNX has none of',
      new ProtoWriter().varint(1, 8).raw([0x3b, 0x3c]).finish(),
      'what stands at byte 2',
    ],
    ['a graph that is a number', new ProtoWriter().varint(1, 8).varint(7, 1).finish(), 'or a damaged one'],
    [
      'a nested message that leaves its parent',
      new ProtoWriter()
        .varint(1, 8)
        .message(7, new ProtoWriter().raw([0x0a, 0x7f]))
        .varint(1, 8)
        .finish(),
      'or a damaged one',
    ],
    [
      'a name that is not UTF-8',
      model(graph().message(11, new ProtoWriter().bytes(1, Uint8Array.of(0xff)))),
      'the name of an input is not UTF-8',
    ],
    [
      'a name of 100 KB',
      model(graph().message(11, new ProtoWriter().text(1, 'x'.repeat(100_000)))),
      'the name of an input has 100000 bytes: at most 65536 are allowed',
    ],
    ['graphs nested without end', model(nested(70)), 'its graphs are nested more than 64 deep'],
  ])('is refused for %s', async (_what, bytes, sentence) => {
    expect(await refusalOf(bytes)).toContain(sentence);
  });

  it('that names over 64 MiB of weights is refused before they fill the memory', async () => {
    const name = 'w'.repeat(60_000);
    const weights = new ProtoWriter();
    const weight = new ProtoWriter().text(8, name);
    const content = weight.finish();
    const repeats = 1200;
    const head = new ProtoWriter().length(5, content.length).finish();
    const bytes = new Uint8Array(repeats * (head.length + content.length));
    for (let at = 0; at < repeats; at++) {
      bytes.set(head, at * (head.length + content.length));
      bytes.set(content, at * (head.length + content.length) + head.length);
    }
    const front = weights.varint(1, 8).length(7, bytes.length).finish();
    expect(await refusalOf(Buffer.concat([front, bytes]))).toContain('its names and texts have over 67108864 bytes');
  });
});

describe('functions of a model’s own', () => {
  const call = (name: string): object => ({ op: name, domain: 'own', inputs: ['a'], outputs: ['b'] });
  const define = (name: string, ...calls: string[]) => ({
    domain: 'own',
    name,
    inputs: ['a'],
    outputs: ['b'],
    nodes: calls.map((callee) => call(callee) as never),
  });
  const withFunctions = (...functions: ReturnType<typeof define>[]): Uint8Array =>
    buildOnnxModel({
      outputs: [{ name: 'y', type: 'FP32' }],
      nodes: [call('f') as never],
      opsets: { own: 1 },
      functions,
    });

  it('may call each other', async () => {
    expect(await verdict(withFunctions(define('f', 'g', 'g'), define('g', 'h'), define('h')))).toBe('taken');
  });

  it.each([
    ['itself', [define('f', 'f')], 'its function "f" calls itself'],
    ['itself around a corner', [define('f', 'g'), define('g', 'f')], 'its function "f" calls itself'],
    ['itself though nobody calls it', [define('f'), define('g', 'g')], 'its function "g" calls itself'],
    [
      'on and on until they are a million nodes',
      Array.from({ length: 25 }, (_, at) => define(at === 0 ? 'f' : `f${at}`, `f${at + 1}`, `f${at + 1}`)),
      'until it has over 1000000 nodes',
    ],
    [
      'more than 200 deep',
      Array.from({ length: 300 }, (_, at) => define(at === 0 ? 'f' : `f${at}`, `f${at + 1}`)),
      'call each other more than 200 deep',
    ],
  ])('are refused when one calls %s', async (_what, functions, sentence) => {
    expect(await refusalOf(withFunctions(...functions))).toContain(sentence);
  });

  it('are refused when one calls itself from a graph within a node', async () => {
    const branch = { graph: { nodes: [call('f') as never], outputs: [{ name: 'b', type: 'FP32' }] } };
    const inner = { op: 'If', inputs: ['c'], outputs: ['b'], attributes: { then_branch: branch } };
    expect(await refusalOf(withFunctions({ ...define('f'), nodes: [inner as never] }))).toBe(
      'its function "f" calls itself',
    );
  });
});
