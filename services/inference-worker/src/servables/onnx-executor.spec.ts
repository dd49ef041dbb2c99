import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildOnnxModel,
  externalDataModel,
  gatherModel,
  identityModel,
  matMulModel,
  textIdentityModel,
} from '@bms/onnx-inspect/testkit';
import { elementsOfTexts, rawOf, typedArrayOf, type Tensor } from '@bms/tensor';
import { alone, ExecutorLostError, type ExecutorSpec, type RunOutcome, type RunRequest } from './executor';
import { OnnxExecutor } from './onnx-executor';

const folder = mkdtempSync(join(tmpdir(), 'bms-executor-'));
const open = new Set<OnnxExecutor>();
const never = new AbortController().signal;

afterEach(async () => {
  await Promise.all([...open].map((executor) => executor.close()));
  open.clear();
});
afterAll(() => rmSync(folder, { recursive: true }));

type More = Partial<ExecutorSpec> & { readonly answerLimitBytes?: number };

function executorOf(model: Uint8Array, { answerLimitBytes = Infinity, ...more }: More = {}): OnnxExecutor {
  const modelFile = join(folder, `model-${open.size}.onnx`);
  writeFileSync(modelFile, model);
  const device = { provider: 'cpu', index: undefined };
  const executor = OnnxExecutor.of(
    { modelFile, device, intraOpThreads: 1, graphOptimization: 'all', providerOptions: {}, ...more },
    answerLimitBytes,
  );
  open.add(executor);
  return executor;
}

async function loaded(model: Uint8Array, more: More = {}): Promise<OnnxExecutor> {
  const executor = executorOf(model, more);
  await executor.load(never);
  return executor;
}

async function runOne(
  executor: OnnxExecutor,
  inputs: readonly Tensor[],
  outputs: readonly string[],
): Promise<RunOutcome> {
  const [outcome] = await executor.run([alone({ inputs, outputs })]);
  if (outcome === undefined) throw new Error('no outcome');
  return outcome;
}

function floats(outcome: RunOutcome | undefined): number[] {
  if (outcome?.kind !== 'answered') throw new Error(`not answered: ${outcome?.message}`);
  const [output] = outcome.outputs;
  if (output === undefined || output.datatype !== 'FP32') throw new Error('not FP32');
  return [...typedArrayOf('FP32', output.data)];
}

/** Bytes that lie one byte off in their memory, as views of a message do. */
function misaligned(array: ArrayBufferView): Uint8Array {
  const bytes = rawOf(array);
  const shifted = new Uint8Array(bytes.byteLength + 1).subarray(1);
  shifted.set(bytes);
  return shifted;
}

const VALUES: readonly Tensor[] = [
  { name: 'x', datatype: 'FP32', shape: [3], data: misaligned(new Float32Array([1.5, NaN, -Infinity])) },
  { name: 'x', datatype: 'FP64', shape: [2], data: misaligned(new Float64Array([Math.PI, Number.MIN_VALUE])) },
  { name: 'x', datatype: 'FP16', shape: [3], data: misaligned(new Uint16Array([0x3c00, 0xc000, 0x7e00])) },
  { name: 'x', datatype: 'INT8', shape: [2], data: misaligned(new Int8Array([-128, 127])) },
  { name: 'x', datatype: 'INT16', shape: [2], data: misaligned(new Int16Array([-32768, 32767])) },
  { name: 'x', datatype: 'INT32', shape: [2], data: misaligned(new Int32Array([-(2 ** 31), 2 ** 31 - 1])) },
  { name: 'x', datatype: 'INT64', shape: [2], data: misaligned(new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n])) },
  { name: 'x', datatype: 'UINT8', shape: [2], data: misaligned(new Uint8Array([0, 255])) },
  { name: 'x', datatype: 'UINT16', shape: [1], data: misaligned(new Uint16Array([65535])) },
  { name: 'x', datatype: 'UINT32', shape: [1], data: misaligned(new Uint32Array([2 ** 32 - 1])) },
  { name: 'x', datatype: 'UINT64', shape: [2], data: misaligned(new BigUint64Array([0n, 2n ** 64n - 1n])) },
  { name: 'x', datatype: 'BOOL', shape: [3], data: misaligned(new Uint8Array([1, 0, 1])) },
  { name: 'x', datatype: 'BYTES', shape: [4], elements: elementsOfTexts(['', 'a', 'größer', '😀'.repeat(1000)]) },
];

describe('OnnxExecutor', () => {
  describe.each(VALUES)('with $datatype', (value) => {
    const named = (tensor: Tensor): Tensor => ({ ...tensor, name: 'y' });
    const plain = (tensor: Tensor): unknown =>
      'data' in tensor
        ? { ...tensor, data: [...tensor.data] }
        : { ...tensor, elements: tensor.elements.map((one) => [...one]) };

    it.each<[string, readonly (number | string)[], Tensor]>([
      ['gives back what it was given, bit by bit', ['n'], value],
      ['takes a scalar', [], scalarOf(value)],
      ['takes a dimension of zero', ['n', 3], emptyOf(value)],
    ])('%s', async (_, shape, tensor) => {
      const executor = await loaded(identityModel(value.datatype, shape));
      const outcome = await runOne(executor, [tensor], ['y']);
      expect(outcome).toMatchObject({ kind: 'answered' });
      if (outcome.kind === 'answered') expect(outcome.outputs.map(plain)).toEqual([plain(named(tensor))]);
    });
  });

  it('answers a list of requests in its order, each with its own shape and outcome', async () => {
    const executor = await loaded(gatherModel());
    const index = (...values: bigint[]): Tensor => ({
      name: 'index',
      datatype: 'INT64',
      shape: [values.length],
      data: rawOf(new BigInt64Array(values)),
    });
    const outcomes = await executor.run(
      [index(2n), index(7n), index(0n, 1n)].map((input) => alone({ inputs: [input], outputs: ['y'] })),
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(['answered', 'failed', 'answered']);
    expect(floats(outcomes[0])).toEqual([30]);
    expect(floats(outcomes[2])).toEqual([10, 20]);
  });

  it('joins the rows of a batch, and pads them with the last', async () => {
    const executor = await loaded(matMulModel());
    const x = (...values: number[]): RunRequest => ({
      inputs: [
        { name: 'x', datatype: 'FP32', shape: [values.length / 2, 2], data: misaligned(new Float32Array(values)) },
      ],
      outputs: ['y'],
    });
    const [joined, padded] = await executor.run([
      { requests: [x(1, 0), x(0, 1, 1, 1)], paddingRows: 0 },
      { requests: [x(1, 0), x(0, 1, 1, 1)], paddingRows: 2 },
    ]);
    expect(floats(joined)).toEqual([1, 2, 3, 4, 5, 6, 5, 7, 9]);
    expect(floats(padded)).toEqual([1, 2, 3, 4, 5, 6, 5, 7, 9, 5, 7, 9, 5, 7, 9]);
  });

  it('joins texts, and says of all what one of them has', async () => {
    const executor = await loaded(textIdentityModel());
    const text = (...elements: Uint8Array[]): RunRequest => ({
      inputs: [{ name: 'x', datatype: 'BYTES', shape: [elements.length], elements }],
      outputs: ['y'],
    });
    const [first, second] = await executor.run([
      { requests: [text(...elementsOfTexts(['a', 'ö'])), text(...elementsOfTexts(['']))], paddingRows: 1 },
      { requests: [text(...elementsOfTexts(['a'])), text(new Uint8Array([0xff]))], paddingRows: 0 },
    ]);
    expect(first).toMatchObject({ outputs: [{ shape: [4], elements: elementsOfTexts(['a', 'ö', '', '']) }] });
    expect(second).toMatchObject({ kind: 'refused', field: 'x' });
  });

  it('takes a turn that is packed in pieces, unless it was closed meanwhile', async () => {
    const executor = await loaded(identityModel('UINT8', ['n']));
    const data = new Uint8Array(9 * 2 ** 20).fill(3);
    const large = alone({ inputs: [{ name: 'x', datatype: 'UINT8', shape: [data.length], data }], outputs: ['y'] });
    const [outcome] = await executor.run([large]);
    expect(outcome?.kind === 'answered' && outcome.outputs[0]?.shape).toEqual([data.length]);
    const late = executor.run([large]);
    const closing = executor.close();
    await expect(late).rejects.toMatchObject({ began: false });
    await closing;
  });

  it("says in ONNX Runtime's words, without paths of this machine, why the model failed, and goes on", async () => {
    const executor = await loaded(gatherModel());
    const outcome = await runOne(
      executor,
      [{ name: 'index', datatype: 'INT64', shape: [1], data: rawOf(new BigInt64Array([99n])) }],
      ['y'],
    );
    expect(outcome).toMatchObject({
      kind: 'failed',
      message: expect.stringMatching(/indices element out of data bounds/),
    });
    expect(JSON.stringify(outcome)).not.toMatch(/\/\w+\//);
    const next: Tensor = { name: 'index', datatype: 'INT64', shape: [1], data: rawOf(new BigInt64Array([1n])) };
    expect(floats(await runOne(executor, [next], ['y']))).toEqual([20]);
  });

  it('answers the outputs that were asked for, also where the model decides their shape', async () => {
    const executor = await loaded(
      buildOnnxModel({
        inputs: [{ name: 'x', type: 'FP32', shape: ['n'] }],
        outputs: [
          { name: 'where', type: 'INT64', shape: [1, null] },
          { name: 'same', type: 'FP32', shape: ['n'] },
        ],
        nodes: [
          { op: 'NonZero', inputs: ['x'], outputs: ['where'] },
          { op: 'Identity', inputs: ['x'], outputs: ['same'] },
        ],
      }),
    );
    const x: Tensor = { name: 'x', datatype: 'FP32', shape: [3], data: rawOf(new Float32Array([0, 5, 6])) };
    expect(await runOne(executor, [x], ['where'])).toMatchObject({
      outputs: [{ name: 'where', datatype: 'INT64', shape: [1, 2], data: rawOf(new BigInt64Array([1n, 2n])) }],
    });
    expect(await runOne(executor, [x], ['same', 'where'])).toMatchObject({
      outputs: [{ name: 'same' }, { name: 'where' }],
    });
    const zeros: Tensor = { ...x, shape: [0], data: new Uint8Array() };
    expect(await runOne(executor, [zeros], ['where'])).toMatchObject({ outputs: [{ shape: [1, 0] }] });
  });

  it.each([
    ['bytes that are not UTF-8', new Uint8Array([0xff]), /element 1 is not UTF-8/],
    ['a NUL, which the runtime would cut off', new Uint8Array([65, 0, 66]), /element 1 contains a NUL/],
  ])('refuses a string of %s', async (_, bytes, message) => {
    const executor = await loaded(identityModel('BYTES', ['n']));
    const tensor: Tensor = { name: 'x', datatype: 'BYTES', shape: [2], elements: [new Uint8Array([65]), bytes] };
    expect(await runOne(executor, [tensor], ['y'])).toMatchObject({
      kind: 'refused',
      field: 'x',
      message: expect.stringMatching(message),
    });
  });

  it('does not hand on an answer over the limit, says of which output it is, and goes on', async () => {
    const model = buildOnnxModel({
      inputs: [
        { name: 'x', type: 'FP32', shape: [1] },
        { name: 'n', type: 'INT64', shape: [1] },
      ],
      outputs: [
        { name: 'many', type: 'FP32', shape: [null] },
        { name: 'same', type: 'FP32', shape: [1] },
      ],
      nodes: [
        { op: 'Expand', inputs: ['x', 'n'], outputs: ['many'] },
        { op: 'Identity', inputs: ['x'], outputs: ['same'] },
      ],
    });
    const executor = await loaded(model, { answerLimitBytes: 400 });
    const expand = (n: bigint, outputs: readonly string[]): Promise<RunOutcome> =>
      runOne(
        executor,
        [
          { name: 'x', datatype: 'FP32', shape: [1], data: rawOf(new Float32Array([1])) },
          { name: 'n', datatype: 'INT64', shape: [1], data: rawOf(new BigInt64Array([n])) },
        ],
        outputs,
      );
    expect(await expand(1_000_000n, ['many'])).toEqual({
      kind: 'oversized',
      computeUs: expect.any(Number),
      message:
        'its answer takes 4000000 bytes (output "many" takes 4000000 bytes); ' +
        'at most 400 are allowed (messageLimit of the worker)',
    });
    expect(floats(await expand(100n, ['many']))).toHaveLength(100);
    expect(await expand(100n, ['same', 'many'])).toMatchObject({
      kind: 'oversized',
      message: expect.stringContaining('404 bytes (output "many" takes 400 bytes, "same" takes 4 bytes)'),
    });
  });

  it('counts strings as the UTF-8 that is sent, each behind its length', async () => {
    const executor = await loaded(identityModel('BYTES', ['n']), { answerLimitBytes: 14 });
    const texts = (...elements: string[]): Tensor => ({
      name: 'x',
      datatype: 'BYTES',
      shape: [elements.length],
      elements: elementsOfTexts(elements),
    });
    expect(await runOne(executor, [texts('ö', '😀')], ['y'])).toMatchObject({ kind: 'answered' });
    expect(await runOne(executor, [texts('ö', '😀!')], ['y'])).toMatchObject({
      kind: 'oversized',
      message: expect.stringContaining('"y" takes 15 bytes'),
    });
  });

  it('takes any byte but 0 for true, as the wire has it', async () => {
    const executor = await loaded(identityModel('BOOL', ['n']));
    const tensor: Tensor = { name: 'x', datatype: 'BOOL', shape: [3], data: new Uint8Array([0, 2, 255]) };
    expect(await runOne(executor, [tensor], ['y'])).toMatchObject({ outputs: [{ data: new Uint8Array([0, 1, 1]) }] });
  });

  it('finds external data beside the model', async () => {
    const { model, data } = externalDataModel('weights.bin');
    writeFileSync(join(folder, 'weights.bin'), data);
    const executor = await loaded(model);
    const x: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], data: rawOf(new Float32Array([1, 1])) };
    expect(floats(await runOne(executor, [x], ['y']))).toEqual([5, 7, 9]);
  });

  it.each([
    ['that is no model', new TextEncoder().encode('no model'), {}, /Protobuf parsing failed/],
    ['whose datatype onnxruntime-node lacks', identityModel('BF16', ['n']), {}, /data type/i],
    [
      'for a device that is not here',
      identityModel(),
      { device: { provider: 'cuda', index: 0 } },
      /Failed to load shared library/,
    ],
  ])('says why it cannot load a file %s', async (_, model, more, message) => {
    const executor = executorOf(model, more);
    const error = await executor.load(never).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ message: expect.stringMatching(message) });
    expect((error as Error).message).not.toContain(folder);
    await expect(executor.run([])).rejects.toBeInstanceOf(ExecutorLostError);
  });

  it('gives a load up when that is asked for', async () => {
    const executor = executorOf(matMulModel());
    await expect(executor.load(AbortSignal.abort(new Error('not wanted')))).rejects.toThrow('not wanted');
    const late = new AbortController();
    const other = executorOf(matMulModel());
    const loading = other.load(late.signal);
    late.abort();
    await expect(loading).rejects.toThrow('the load was given up');
  });

  it('marks in a file that a run goes on', async () => {
    const file = join(folder, 'mark.run');
    writeFileSync(file, '01');
    const executor = await loaded(matMulModel(), { runMark: { file, byteOffset: 0 } });
    const x: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], data: new Uint8Array(8) };
    await runOne(executor, [x], ['y']);
    await executor.close();
    expect(readFileSync(file, 'utf8')).toBe('01'); // the other byte is another executor's
  });

  it('finishes what runs before it closes, and refuses what comes later', async () => {
    const executor = await loaded(matMulModel());
    const x: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], data: rawOf(new Float32Array([1, 0])) };
    const running = runOne(executor, [x], ['y']);
    const closing = executor.close();
    await expect(runOne(executor, [x], ['y'])).rejects.toMatchObject({ began: false });
    expect(floats(await running)).toEqual([1, 2, 3]);
    expect(await closing).toBe(true);
    await executor.ended;
  });

  it('is lost, and says so, when its thread ends; another goes on', async () => {
    const [one, other] = [await loaded(matMulModel()), await loaded(matMulModel(100))];
    const x: Tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], data: rawOf(new Float32Array([1, 0])) };
    const lost = one.lost;
    const running = runOne(one, [x], ['y']).catch((error: Error) => error);
    endThread(one);
    await expect(lost).resolves.toMatch(/its thread ended/);
    await running;
    await expect(runOne(one, [x], ['y'])).rejects.toBeInstanceOf(ExecutorLostError);
    expect(floats(await runOne(other, [x], ['y']))).toEqual([101, 102, 103]);
  });

  it.each([
    ['webgpu', 'abacus', "WebGPU EP has an unrecognized option: 'abacus'"],
    ['webgpu', 'enableRobustness', '"enableRobustness" must be a boolean'],
    ['cpu', 'abacus', 'the option "abacus" cannot be given to cpu'],
  ])('refuses a wrong option of %s: %s', async (provider, name, sentence) => {
    const device = { provider, index: undefined };
    const executor = executorOf(matMulModel(), { device, providerOptions: { [name]: 'perhaps' } });
    await expect(executor.load(never)).rejects.toThrow(sentence);
  });
});

/** Ends the thread as a crash of its JavaScript would: from outside, unasked. */
function endThread(executor: OnnxExecutor): void {
  const { state } = executor as unknown as { state: { worker: { terminate(): Promise<number> } } };
  void state.worker.terminate();
}

function scalarOf(tensor: Tensor): Tensor {
  if (!('data' in tensor)) return { ...tensor, shape: [], elements: tensor.elements.slice(2, 3) };
  return { ...tensor, shape: [], data: tensor.data.slice(0, tensor.data.byteLength / (tensor.shape[0] ?? 1)) };
}

function emptyOf(tensor: Tensor): Tensor {
  return 'data' in tensor
    ? { ...tensor, shape: [0, 3], data: new Uint8Array() }
    : { ...tensor, shape: [0, 3], elements: [] };
}
