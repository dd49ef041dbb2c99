import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildOnnxModel, gatherModel, matMulModel, textIdentityModel, type OnnxNode } from '@bms/onnx-inspect/testkit';
import { elementsOfTexts, rawOf, type Tensor } from '@bms/tensor';
import type { RunRequest } from '../servables/executor';
import { FakeExecutor } from '../servables/fake-executor.testkit';
import { OnnxExecutor } from '../servables/onnx-executor';
import { probeRows } from './probe-rows';
import { whyNotJoined } from './rows-apart';

const folder = mkdtempSync(join(tmpdir(), 'bms-apart-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** `y` of `x`, both FP32 [batch, 2], by the nodes. */
function modelOf(...nodes: readonly OnnxNode[]): Uint8Array {
  return buildOnnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: ['batch', 2] }],
    outputs: [{ name: 'y', type: 'FP32', shape: [null, 2] }],
    nodes,
  });
}

async function verdict(model: Uint8Array, input: Tensor): Promise<string | undefined> {
  const modelFile = join(folder, 'model.onnx');
  writeFileSync(modelFile, model);
  const device = { provider: 'cpu', index: undefined };
  const spec = { modelFile, device, intraOpThreads: 1, graphOptimization: 'all', providerOptions: {} } as const;
  const executor = OnnxExecutor.of(spec, Infinity);
  try {
    await executor.load(new AbortController().signal);
    const rows = probeRows([{ inputs: [input], outputs: ['y'] }]) as readonly RunRequest[];
    expect(rows).toHaveLength(3);
    return await whyNotJoined(executor, rows);
  } finally {
    await executor.close();
  }
}

const zeros: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], data: new Uint8Array(8) };

describe('whyNotJoined', () => {
  it.each<[string, Uint8Array, Tensor]>([
    ['each row is multiplied', matMulModel(), zeros],
    [
      'each row is looked up',
      gatherModel(),
      { name: 'index', datatype: 'INT64', shape: [2], data: rawOf(new BigInt64Array(2)) },
    ],
    [
      'texts are given back',
      textIdentityModel(),
      { name: 'x', datatype: 'BYTES', shape: [1], elements: elementsOfTexts(['a']) },
    ],
  ])('finds nothing where %s', async (_, model, input) => {
    await expect(verdict(model, input)).resolves.toBeUndefined();
  });

  it.each<[string, Uint8Array]>([
    [
      'each row is a share of all',
      modelOf({ op: 'Softmax', inputs: ['x'], outputs: ['y'], attributes: { axis: { int: 0 } } }),
    ],
    ['each row is what its forerunners sum up to', cumulativeModel()],
  ])('finds that a row depends on others where %s', async (_, model) => {
    await expect(verdict(model, zeros)).resolves.toBe('output "y" of a row depends on the rows beside it');
  });

  it('finds that rows get lost where all become one', async () => {
    const mean = modelOf({ op: 'ReduceMean', inputs: ['x'], outputs: ['y'], attributes: { axes: { ints: [0] } } });
    await expect(verdict(mean, zeros)).resolves.toBe('output "y" does not have a row for each row of the inputs');
  });

  it('says why rows are refused', async () => {
    const executor = new FakeExecutor();
    const rows = probeRows([{ inputs: [zeros], outputs: ['y'] }]) as readonly RunRequest[];
    executor.answer = ({ inputs }) =>
      inputs[0]?.shape[0] === 3
        ? { kind: 'failed', message: 'one at a time', computeUs: 1 }
        : { kind: 'answered', outputs: inputs, computeUs: 1 };
    await expect(whyNotJoined(executor, rows)).resolves.toBe('rows that are joined are refused: one at a time');
    executor.answer = () => ({ kind: 'failed', message: 'never', computeUs: 1 });
    await expect(whyNotJoined(executor, rows)).resolves.toBe('a row by itself is refused: never');
  });
});

function cumulativeModel(): Uint8Array {
  return buildOnnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: ['batch', 2] }],
    outputs: [{ name: 'y', type: 'FP32', shape: ['batch', 2] }],
    nodes: [{ op: 'CumSum', inputs: ['x', 'axis'], outputs: ['y'] }],
    initializers: [{ name: 'axis', type: 'INT64', dims: [], data: new BigInt64Array([0n]) }],
  });
}

describe('probeRows', () => {
  const row = (...values: number[]): RunRequest => ({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [values.length / 2, 2], data: rawOf(new Float32Array(values)) }],
    outputs: ['y'],
  });

  it('takes the first rows of the examples, as far as they are of one shape', () => {
    const other: RunRequest = { inputs: [{ ...zeros, shape: [2, 1] }], outputs: ['y'] };
    const rows = probeRows([row(1, 2, 3, 4), other, row(5, 6)]);
    expect(rows?.slice(0, 2)).toEqual([row(1, 2), row(5, 6)]);
    expect(rows?.[2]?.inputs[0]?.shape).toEqual([1, 2]);
  });

  it('varies floats where there is one example only, and nothing else', () => {
    const flag: Tensor = { name: 'n', datatype: 'INT64', shape: [1], data: new Uint8Array(8) };
    const rows = probeRows([{ inputs: [zeros, flag], outputs: ['y'] }]) ?? [];
    const floats = rows.map(({ inputs }) =>
      String(inputs[0] !== undefined && 'data' in inputs[0] && [...inputs[0].data]),
    );
    expect(new Set(floats).size).toBe(3);
    expect(rows.map(({ inputs }) => inputs[1])).toEqual([flag, flag, flag]);
  });

  it('has none where the inputs have no rows in common', () => {
    expect(probeRows([{ inputs: [{ ...zeros, shape: [] }], outputs: ['y'] }])).toBeUndefined();
    expect(probeRows([])).toBeUndefined();
  });
});
