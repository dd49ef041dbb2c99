import { inspectBytes, refusalOf } from './refusal.testkit';
import {
  buildOnnxModel,
  externalDataModel,
  onnxGraph,
  onnxTensor,
  ProtoWriter,
  type OnnxGraph,
  type OnnxNode,
  type OnnxTensor,
} from './testkit';

const outputs = [{ name: 'y', type: 'FP32', shape: [1] }];
const weight = (location: string, rest: Partial<OnnxTensor['external'] & object> = {}): OnnxTensor => ({
  name: 'w',
  type: 'FP32',
  dims: [2, 3],
  external: { location, ...rest },
});
const node = (attribute: object): OnnxNode[] => [
  { op: 'N', inputs: [], outputs: [], attributes: { a: attribute as never } },
];

describe('external data', () => {
  it('is told by location, with how long each file must be', async () => {
    const model = buildOnnxModel({
      outputs,
      initializers: [
        { ...weight('b.bin', { offset: 100, length: 24 }), name: 'w1' },
        { ...weight('b.bin', { offset: 0, length: 24 }), name: 'w2' },
        { ...weight('./parts//a.bin', { offset: 8 }), name: 'w3' }, // without a length: as its shape takes
      ],
    });
    expect((await inspectBytes(model)).externalData).toEqual([
      { location: 'b.bin', requiredBytes: 124 },
      { location: 'parts/a.bin', requiredBytes: 32 },
    ]);
    expect((await inspectBytes(externalDataModel().model)).externalData).toEqual([
      { location: 'weights.bin', requiredBytes: 24 },
    ]);
  });

  it('is found in attributes, in graphs within nodes, in functions and in sparse weights', async () => {
    const inner: OnnxGraph = {
      outputs,
      initializers: [weight('graph.bin')],
      nodes: node({ graph: { initializers: [weight('deep.bin')] } }),
    };
    const sparse = new ProtoWriter()
      .message(1, onnxTensor(weight('values.bin')))
      .message(2, onnxTensor(weight('indices.bin')));
    const functions = new ProtoWriter()
      .text(1, 'f')
      .text(10, 'own')
      .message(
        7,
        new ProtoWriter().text(4, 'N').message(5, new ProtoWriter().message(5, onnxTensor(weight('function.bin')))),
      );
    const graph = onnxGraph({
      outputs,
      nodes: [...node({ tensor: weight('constant.bin') }), ...node({ graph: inner })],
    }).message(15, sparse);
    const model = new ProtoWriter()
      .varint(1, 8)
      .message(7, graph)
      .message(8, new ProtoWriter().varint(2, 17))
      .message(25, functions);
    expect((await inspectBytes(model.finish())).externalData.map(({ location }) => location)).toEqual([
      'constant.bin',
      'deep.bin',
      'function.bin',
      'graph.bin',
      'indices.bin',
      'values.bin',
    ]);
  });

  it('counts 4-bit weights as half bytes', async () => {
    const model = buildOnnxModel({
      outputs,
      initializers: [{ name: 'w', type: 22, dims: [5], external: { location: 'a' } }],
    });
    expect((await inspectBytes(model)).externalData).toEqual([{ location: 'a', requiredBytes: 3 }]);
  });

  it.each([
    ['/etc/passwd', 'is absolute'],
    ['C:/weights.bin', 'is absolute'],
    ['../weights.bin', 'leaves the folder'],
    ['a/../../weights.bin', 'leaves the folder'],
    ['a\\..\\weights.bin', 'has a backslash or a control character'],
    ['a\0b', 'has a backslash or a control character'],
    ['*/_ORT_MEM_ADDR_/*', 'is a memory address'],
    ['', 'is empty'],
    ['./', 'is a folder'],
    ['a'.repeat(1025), 'has more than 1024 characters'],
  ])('is refused at %j', async (location, why) => {
    const model = buildOnnxModel({ outputs, initializers: [weight(location)] });
    expect(await refusalOf(model)).toContain(`${why}: a path inside the model's folder is allowed`);
  });

  it.each<[string, OnnxTensor, string]>([
    ['a negative offset', weight('a', { offset: -1 }), 'the offset of external data in "a" is "-1"'],
    ['a length beyond 2^53', weight('a', { length: 2 ** 60 }), 'the length of external data in "a" is'],
    ['an absurd shape', { ...weight('a'), dims: [2 ** 40, 2 ** 40] }, 'a weight in external data has the absurd shape'],
    ['a negative shape', { ...weight('a'), dims: [-4] }, 'a weight in external data has the absurd shape'],
  ])('is refused for %s', async (_what, tensor, sentence) => {
    expect(await refusalOf(buildOnnxModel({ outputs, initializers: [tensor] }))).toContain(sentence);
  });
});
