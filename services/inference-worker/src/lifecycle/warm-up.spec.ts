import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { models } from '@bms/contracts';
import { typedArrayOf } from '@bms/tensor';
import { ManualClock, settled } from '../manual-clock.testkit';
import { FakeExecutor } from '../servables/fake-executor.testkit';
import { StuckError } from '../servables/or-stuck';
import { madeUpInputs, warmUp } from './warm-up';
import { readWarmUpFile } from './warm-up-file';

const signature = models.Signature.create({
  inputs: [
    { name: 'ids', datatype: 'INT64', shape: [-1n, -1n], symbols: ['batch', 'length'] },
    { name: 'mask', datatype: 'BOOL', shape: [-1n, -1n], symbols: ['batch', 'length'] },
    { name: 'text', datatype: 'BYTES', shape: [2n] },
    { name: 'scale', datatype: 'FP32', shape: [] },
    { name: 'any', datatype: 'FP16', shape: [], unranked: true },
  ],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1n] }],
});

describe('madeUpInputs', () => {
  it('makes unknown dimensions 1, strings empty and all else zero', () => {
    expect(madeUpInputs(signature)).toEqual([
      { name: 'ids', datatype: 'INT64', shape: [1, 1], data: new Uint8Array(8) },
      { name: 'mask', datatype: 'BOOL', shape: [1, 1], data: new Uint8Array(1) },
      { name: 'text', datatype: 'BYTES', shape: [2], elements: [new Uint8Array(), new Uint8Array()] },
      { name: 'scale', datatype: 'FP32', shape: [], data: new Uint8Array(4) },
      { name: 'any', datatype: 'FP16', shape: [1], data: new Uint8Array(2) },
    ]);
  });

  it('does not make up what would only cost memory', () => {
    const huge = models.Signature.create({ inputs: [{ name: 'x', datatype: 'FP32', shape: [100_000n, 100_000n] }] });
    expect(() => madeUpInputs(huge)).toThrow('input "x" is too large to be made up');
  });
});

describe('warmUp', () => {
  const example = { inputs: [], outputs: ['y'] };
  const { signal } = new AbortController();

  it('runs for half a second', async () => {
    const executor = new FakeExecutor();
    const clock = new ManualClock();
    const warming = warmUp(executor, [example], clock, signal);
    for (let run = 0; run < 5; run++) {
      await clock.advance(100);
      executor.finishTurn();
      await settled();
    }
    await expect(warming).resolves.toBeUndefined();
  });

  it('runs what is fast a few times only, and each example once', async () => {
    const executor = new FakeExecutor();
    let runs = 0;
    executor.answer = ({ inputs }) => {
      runs++;
      return { kind: 'answered', outputs: inputs, computeUs: 1 };
    };
    await warmUp(executor, [example], new ManualClock(), signal);
    await warmUp(executor, Array<typeof example>(50).fill(example), new ManualClock(), signal);
    expect(runs).toBe(32 + 50);
  });

  it('answers why the model refused', async () => {
    const executor = new FakeExecutor();
    executor.answer = () => ({ kind: 'failed', message: 'indices out of bounds', computeUs: 1 });
    const refused = warmUp(executor, [example], new ManualClock(), signal);
    await expect(refused).resolves.toBe('indices out of bounds');
  });

  it('gives up on a run that does not return', async () => {
    const clock = new ManualClock();
    const warming = warmUp(new FakeExecutor(), [example], clock, signal);
    warming.catch(() => undefined);
    await clock.advance(59_999);
    expect(clock.sleepers).toBe(1);
    await clock.advance(1);
    await expect(warming).rejects.toBeInstanceOf(StuckError);
  });
});

describe('readWarmUpFile', () => {
  const model = models.Signature.create({
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [-1n, 2n] },
      { name: 'k', datatype: 'INT64', shape: [] },
    ],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1n] }],
  });
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-warmup-'))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const write = (value: unknown): void => writeFileSync(join(folder, 'warmup.json'), JSON.stringify(value));

  it('reads examples in the order of the inputs', async () => {
    write([{ k: { shape: [], data: [7] }, x: { shape: [2, 2], data: [1, 2, 3, 4.5] } }]);
    const [example, ...more] = (await readWarmUpFile(folder, model)) ?? [];
    expect(more).toEqual([]);
    expect(example?.outputs).toEqual(['y']);
    expect(example?.inputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['x', [2, 2]],
      ['k', []],
    ]);
    const [x, k] = example?.inputs ?? [];
    expect(x?.datatype === 'FP32' && [...typedArrayOf('FP32', x.data)]).toEqual([1, 2, 3, 4.5]);
    expect(k?.datatype === 'INT64' && [...typedArrayOf('INT64', k.data)]).toEqual([7n]);
  });

  it('is not needed', async () => {
    await expect(readWarmUpFile(folder, model)).resolves.toBeUndefined();
  });

  it.each<[string, unknown, RegExp]>([
    ['is no list', {}, /^warmup\.json: /],
    ['has an example without data', [{ x: { shape: [1, 2] } }], /^warmup\.json\[0\]\[x\]\[data\]: /],
    [
      'has too few values',
      [{ x: { shape: [1, 2], data: [1] }, k: { shape: [], data: [1] } }],
      /\[0\]: x has 1 values, but its shape takes 2/,
    ],
    ['lacks an input', [{ x: { shape: [1, 2], data: [1, 2] } }], /\[0\]: .*lacks "k"/],
    [
      'has a shape that the input does not take',
      [{ x: { shape: [1, 1], data: [1] }, k: { shape: [], data: [1] } }],
      /dimension 1 must be 2/,
    ],
  ])('says what is wrong with a file that %s', async (_, content, message) => {
    write(content);
    await expect(readWarmUpFile(folder, model)).rejects.toThrow(message);
  });
});
