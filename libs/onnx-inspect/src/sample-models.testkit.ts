import { buildOnnxModel, type OnnxType, type OnnxValue } from './onnx-writer.testkit';

/** `y = x`, of any datatype; by default FP32 [batch, 4]. */
export function identityModel(type: OnnxType = 'FP32', shape: OnnxValue['shape'] = ['batch', 4]): Uint8Array {
  return buildOnnxModel({
    inputs: [{ name: 'x', type, shape }],
    outputs: [{ name: 'y', type, shape }],
    nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
  });
}

/** `y = x` of strings, BYTES [batch]. */
export function textIdentityModel(): Uint8Array {
  return identityModel('BYTES', ['batch']);
}

/** `sum = a + b`, two inputs of one symbol, FP32 [batch, 2]. */
export function addModel(): Uint8Array {
  return buildOnnxModel({
    inputs: [
      { name: 'a', type: 'FP32', shape: ['batch', 2] },
      { name: 'b', type: 'FP32', shape: ['batch', 2] },
    ],
    outputs: [{ name: 'sum', type: 'FP32', shape: ['batch', 2] }],
    nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] }],
  });
}

/** `y = x · w + c`, FP32 [batch, 2] → [batch, 3], with w = [[1, 2, 3], [4, 5, 6]] and c = `bias` (default 0) in each column. */
export function matMulModel(bias = 0): Uint8Array {
  return buildOnnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: ['batch', 2] }],
    outputs: [{ name: 'y', type: 'FP32', shape: ['batch', 3] }],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['xw'] },
      { op: 'Add', inputs: ['xw', 'c'], outputs: ['y'] },
    ],
    initializers: [
      { name: 'w', type: 'FP32', dims: [2, 3], data: new Float32Array([1, 2, 3, 4, 5, 6]) },
      { name: 'c', type: 'FP32', dims: [3], data: new Float32Array([bias, bias, bias]) },
    ],
  });
}

/** `y = [10, 20, 30][index]`, INT64 [n] → FP32 [n]: fails at run time for an index beyond 2. */
export function gatherModel(): Uint8Array {
  return buildOnnxModel({
    inputs: [{ name: 'index', type: 'INT64', shape: ['n'] }],
    outputs: [{ name: 'y', type: 'FP32', shape: ['n'] }],
    nodes: [{ op: 'Gather', inputs: ['table', 'index'], outputs: ['y'] }],
    initializers: [{ name: 'table', type: 'FP32', dims: [3], data: new Float32Array([10, 20, 30]) }],
  });
}

/** `y = x + rounds`, added one by one: takes time in proportion to `rounds` (INT64, a scalar); x and y are FP32 [n]. */
export function loopModel(): Uint8Array {
  const one = { name: 'one', type: 'FP32', dims: [1], data: new Float32Array([1]) } as const;
  return buildOnnxModel({
    inputs: [
      { name: 'x', type: 'FP32', shape: ['n'] },
      { name: 'rounds', type: 'INT64', shape: [] },
    ],
    outputs: [{ name: 'y', type: 'FP32', shape: ['n'] }],
    nodes: [
      {
        op: 'Loop',
        inputs: ['rounds', '', 'x'],
        outputs: ['y'],
        attributes: {
          body: {
            graph: {
              name: 'body',
              inputs: [
                { name: 'iteration', type: 'INT64', shape: [] },
                { name: 'condition', type: 'BOOL', shape: [] },
                { name: 'before', type: 'FP32', shape: ['n'] },
              ],
              outputs: [
                { name: 'goOn', type: 'BOOL', shape: [] },
                { name: 'after', type: 'FP32', shape: ['n'] },
              ],
              nodes: [
                { op: 'Identity', inputs: ['condition'], outputs: ['goOn'] },
                { op: 'Add', inputs: ['before', 'one'], outputs: ['after'] },
              ],
              initializers: [one],
            },
          },
        },
      },
    ],
  });
}

/** The model of {@link matMulModel} with w in a file beside it. */
export function externalDataModel(location = 'weights.bin'): { readonly model: Uint8Array; readonly data: Uint8Array } {
  const data = new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer);
  const model = buildOnnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: ['batch', 2] }],
    outputs: [{ name: 'y', type: 'FP32', shape: ['batch', 3] }],
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [
      { name: 'w', type: 'FP32', dims: [2, 3], external: { location, offset: 0, length: data.byteLength } },
    ],
  });
  return { model, data };
}

/**
 * A perceptron, FP32 [batch, widths[0]] → [batch, widths.at(-1)] with ReLU between its layers, `x` to `y`. Its weights are
 * small, and the same each time.
 */
export function perceptronModel(widths: readonly number[]): Uint8Array {
  const layers = widths.slice(1).map((columns, at) => ({ at, rows: widths[at] ?? 0, columns }));
  const last = layers.length - 1;
  const activation = (at: number): string => (at === 0 ? 'x' : `active${at}`);
  return buildOnnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: ['batch', widths[0] ?? 0] }],
    outputs: [{ name: 'y', type: 'FP32', shape: ['batch', widths.at(-1) ?? 0] }],
    nodes: layers.flatMap(({ at }) => [
      { op: 'Gemm', inputs: [activation(at), `w${at}`, `b${at}`], outputs: [at === last ? 'y' : `sum${at}`] },
      ...(at === last ? [] : [{ op: 'Relu', inputs: [`sum${at}`], outputs: [activation(at + 1)] }]),
    ]),
    initializers: layers.flatMap(({ at, rows, columns }) => [
      { name: `w${at}`, type: 'FP32', dims: [rows, columns], data: evenFloats(rows * columns, 1 / Math.sqrt(rows)) },
      { name: `b${at}`, type: 'FP32', dims: [columns], data: evenFloats(columns, 0.1) },
    ]),
  });
}

/** Floats between -scale and scale, spread evenly and out of order. */
function evenFloats(count: number, scale: number): Float32Array {
  return Float32Array.from({ length: count }, (_, at) => (((at * 7919) % 1009) / 504 - 1) * scale);
}
