import { models } from '@bms/contracts';
import { ManualClock } from '../manual-clock.testkit';
import type { RunOutcome, RunRequest } from '../servables/executor';
import { FakeExecutor } from '../servables/fake-executor.testkit';
import { tuneVersion, type Tuned } from './tune-version';

const { signal } = new AbortController();

function signatureOf(...shape: readonly bigint[]): models.Signature {
  return models.Signature.create({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [...shape] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [...shape] }],
  });
}

function example(...shape: readonly number[]): RunRequest {
  const size = shape.reduce((product, dimension) => product * dimension, 4);
  return { inputs: [{ name: 'x', datatype: 'FP32', shape, data: new Uint8Array(size) }], outputs: ['y'] };
}

/** Gives its inputs back, unless a model is played that mixes rows. */
async function tuned(
  signature: models.Signature,
  examples: readonly RunRequest[],
  { mode = '', mixes = false }: { mode?: string; mixes?: boolean } = {},
): Promise<Tuned> {
  const executor = new FakeExecutor();
  executor.answer = ({ inputs }): RunOutcome => {
    const outputs = inputs.map((tensor) =>
      mixes && tensor.shape[0] !== 1 && 'data' in tensor
        ? { ...tensor, data: new Uint8Array(tensor.data.length).fill(65) }
        : tensor,
    );
    return { kind: 'answered', outputs, computeUs: 100 };
  };
  const config = models.VersionConfig.create({ batching: models.BatchingConfig.create({ mode }) });
  return tuneVersion(executor, { signature, config, examples, clock: new ManualClock(), signal });
}

describe('tuneVersion', () => {
  it('joins requests where the first dimension is free, at the size that was measured to be best', async () => {
    const { batching, turn, whyAlone } = await tuned(signatureOf(-1n, 2n), [example(1, 2)]);
    expect([batching.joins, whyAlone]).toEqual([true, undefined]);
    expect(batching.plan.bestRows).toBe(64); // 0.1 ms, whatever their number
    expect(turn).toHaveLength(20);
    expect(turn[0]?.requests).toHaveLength(64);
  });

  it.each<[string, models.Signature, RunRequest, string]>([
    ['has no free first dimension', signatureOf(4n, 2n), example(4, 2), ''],
    ['is told not to', signatureOf(-1n, 2n), example(1, 2), 'off'],
  ])('runs requests one by one where a version %s', async (_, signature, given, mode) => {
    const { batching, whyAlone } = await tuned(signature, [given], { mode });
    expect([batching.joins, whyAlone]).toEqual([false, undefined]);
    expect(batching.profile.points).toEqual([{ rows: given.inputs[0]?.shape[0], runMs: 0.1 }]);
  });

  it('says why requests run one by one although the signature would let them be joined', async () => {
    const mixing = await tuned(signatureOf(-1n, 2n), [example(1, 2)], { mixes: true });
    expect([mixing.batching.joins, mixing.whyAlone]).toEqual([
      false,
      'output "x" of a row depends on the rows beside it',
    ]);
    const refused = await tuned(signatureOf(-1n, 2n), []);
    expect(refused.whyAlone).toMatch(/^there is no example/);
  });

  it('takes the word of a person who says that they can be joined', async () => {
    const { batching } = await tuned(signatureOf(-1n, 2n), [example(1, 2)], { mode: 'on', mixes: true });
    expect(batching.joins).toBe(true);
    const unmeasured = await tuned(signatureOf(-1n, 2n), [], { mode: 'on' });
    expect([unmeasured.batching.joins, unmeasured.batching.plan.rowsOf(7), unmeasured.turn]).toEqual([true, 7, []]);
  });
});
