import { BmsError, models, Reason } from '@bms/contracts';
import type { Tensor } from '@bms/tensor';
import { BatchProfile } from './batching/batch-profile';
import { VersionBatching } from './batching/version-batching';
import { ManualClock, settled } from './manual-clock.testkit';
import { PredictStack, type RunObserved } from './predict.stack';
import { DevicePermits } from './servables/device-permits';
import { ExecutorPool } from './servables/executor-pool';
import { FakeExecutor } from './servables/fake-executor.testkit';
import { PredictQueue } from './servables/predict-queue';
import type { PredictAnswer } from './servables/queued-prediction';
import { Servable } from './servables/servable';

/** 1 row takes 2 ms, 4 take 4 ms, and more are no quicker. */
const PROFILE = new BatchProfile([
  { rows: 1, runMs: 2 },
  { rows: 2, runMs: 3 },
  { rows: 4, runMs: 4 },
]);

interface Ask {
  readonly values: readonly number[];
  readonly columns?: number;
  readonly outputs?: readonly string[];
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  readonly caller?: string;
}

function setUp({
  executors: count = 1,
  config = {},
  profile = PROFILE,
}: { executors?: number; config?: Partial<models.BatchingConfig>; profile?: BatchProfile } = {}) {
  const clock = new ManualClock(0);
  const queue = new PredictQueue({ requests: 1_000, bytes: 1_000_000 }, count, clock);
  const runs: RunObserved[] = [];
  const stack = new PredictStack(queue, new DevicePermits(count), clock, (run) => runs.push(run));
  const executors = Array.from({ length: count }, () => new FakeExecutor());
  const [executor = new FakeExecutor()] = executors;
  const batching = new VersionBatching({
    ...{ joins: true, evenRows: true, profile },
    config: models.BatchingConfig.create(config),
  });
  const ref = models.VersionRef.create({ tenant: 'default', model: 'm', version: 1n });
  const runner = count === 1 ? executor : new ExecutorPool(executors);
  const servable = new Servable(ref, models.Signature.create({}), runner, { executors: count, batching });
  const ask = ({ values, columns = 1, outputs = ['y'], deadlineMs, signal, caller = 'me' }: Ask) => {
    const answer = stack.predict({
      servable,
      request: { inputs: [tensorOf(values, columns)], outputs },
      deadlineMs,
      signal: signal ?? new AbortController().signal,
      caller,
    });
    answer.catch(() => undefined);
    return answer;
  };
  return { clock, queue, stack, executors, executor, servable, ask, runs };
}

function tensorOf(values: readonly number[], columns = 1): Tensor {
  const shape = columns === 1 ? [values.length] : [values.length / columns, columns];
  return { name: 'x', datatype: 'UINT8', shape, data: Uint8Array.from(values) };
}

function valuesOf({ outputs }: PredictAnswer): number[] {
  const [output] = outputs;
  return output !== undefined && 'data' in output ? [...output.data] : [];
}

/** The values of each run of a turn, padding included. */
function running(executor: FakeExecutor): number[][] {
  return (executor.turns[0]?.requests ?? []).map(({ inputs }) => {
    const [input] = inputs;
    return input !== undefined && 'data' in input ? [...input.data] : [];
  });
}

async function reasonOf(answer: Promise<unknown>): Promise<Reason | undefined> {
  const error: unknown = await answer.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return BmsError.is(error) ? error.reason : undefined;
}

describe('batches', () => {
  it('run what waits as one, and give each request its own rows; one of them tells how many rows ran', async () => {
    const { executor, ask, runs, queue } = setUp();
    const answers = [ask({ values: [1] }), ask({ values: [2, 3] }), ask({ values: [4] })];
    await settled();
    expect(running(executor)).toEqual([[1, 2, 3, 4]]);
    executor.finishTurn(4_000);
    const answered = await Promise.all(answers);
    expect(answered.map(valuesOf)).toEqual([[1], [2, 3], [4]]);
    expect(answered.map(({ batchRows }) => batchRows)).toEqual([4, undefined, undefined]);
    expect(answered.map(({ computeUs }) => computeUs)).toEqual([4_000, 4_000, 4_000]);
    expect(runs).toEqual([
      expect.objectContaining({ rows: 4, paddingRows: 0, requests: 3, runMs: 4, repeated: false }),
    ]);
    expect(queue.depth).toBe(0);
  });

  it('never wait on an idle executor', async () => {
    const { executor, ask } = setUp();
    void ask({ values: [1] });
    await settled();
    expect(running(executor)).toEqual([[1]]);
    for (const value of [2, 3, 4]) void ask({ values: [value] });
    executor.finishTurn(2_000);
    await settled();
    // Three are no size that was measured: two now, one later is quicker than a quarter of padding and more.
    expect(running(executor).flat().length).toBeLessThanOrEqual(3);
    expect(running(executor).flat()).toContain(2);
  });

  it('join only the same dimensions and outputs', async () => {
    const { executor, ask } = setUp();
    const asked: Ask[] = [
      { values: [1, 2], columns: 2 },
      { values: [3] },
      { values: [4], outputs: ['z'] },
      { values: [5, 6], columns: 2 },
      { values: [7] },
    ];
    const answers = asked.map(ask);
    const turns: number[][] = [];
    while (turns.flat().length < 7) {
      await settled();
      turns.push(...running(executor));
      executor.finishTurn();
    }
    expect(turns.sort()).toEqual([[1, 2, 5, 6], [3, 7], [4]].sort());
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([[1, 2], [3], [4], [5, 6], [7]]);
  });

  it('are padded up to a size that was measured, which nobody sees', async () => {
    const profile = new BatchProfile([
      { rows: 1, runMs: 9 },
      { rows: 5, runMs: 5 },
    ]);
    const { executor, ask, runs } = setUp({ profile });
    const answers = [[1], [2], [3], [4]].map((values) => ask({ values }));
    await settled();
    expect(running(executor)).toEqual([[1, 2, 3, 4, 4]]);
    executor.finishTurn();
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([[1], [2], [3], [4]]);
    expect(runs).toEqual([expect.objectContaining({ rows: 4, paddingRows: 1 })]);
  });

  it('run again one by one, once, when they fail: only what is bad fails', async () => {
    const { executor, ask, runs, queue } = setUp();
    let ran = 0;
    executor.answer = ({ inputs }) => {
      ran++;
      const [input] = inputs;
      const bad = input !== undefined && 'data' in input && input.data.includes(13);
      return bad
        ? { kind: 'failed', message: 'no 13, please', computeUs: 1 }
        : { kind: 'answered', outputs: inputs, computeUs: 1 };
    };
    const answers = [[1], [13], [3], [4]].map((values) => ask({ values }));
    expect(await reasonOf(answers[1] as Promise<unknown>)).toBe(Reason.MODEL_FAILED);
    const good = await Promise.all([0, 2, 3].map((at) => answers[at] as Promise<PredictAnswer>));
    expect(good.map(valuesOf)).toEqual([[1], [3], [4]]);
    expect(good.map(({ batchRows }) => batchRows)).toEqual([1, 1, 1]);
    expect(ran).toBe(1 + 4);
    expect(runs.map(({ repeated }) => repeated)).toEqual([true, false, false, false, false]);
    expect(queue.depth).toBe(0);
  });

  it('are kept free, for a while, of a caller who made several of them fail', async () => {
    const { clock, executor, ask, runs } = setUp();
    executor.answer = ({ inputs }) => {
      const [input] = inputs;
      const bad = input !== undefined && 'data' in input && input.data.includes(13);
      return bad
        ? { kind: 'failed', message: 'no 13, please', computeUs: 1 }
        : { kind: 'answered', outputs: inputs, computeUs: 1 };
    };
    const round = async (): Promise<boolean> => {
      runs.length = 0;
      const answers = [ask({ values: [1] }), ask({ values: [13], caller: 'bad' }), ask({ values: [3] })];
      expect((await Promise.allSettled(answers)).map(({ status }) => status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      return runs.some(({ repeated }) => repeated);
    };
    const repeated: boolean[] = [];
    for (let at = 0; at < 5; at++) repeated.push(await round());
    expect(repeated).toEqual([true, true, true, false, false]);
    await clock.advance(10_000);
    expect(await round()).toBe(true);
  });

  it('that failed do not run again for callers that gave up', async () => {
    const { executor, ask, queue } = setUp();
    const caller = new AbortController();
    const given = ask({ values: [1], signal: caller.signal });
    const other = ask({ values: [2] });
    await settled();
    caller.abort();
    expect(await reasonOf(given)).toBe(Reason.CANCELLED);
    const [turn] = executor.turns.splice(0);
    turn?.resolve([{ kind: 'failed', message: 'too much', computeUs: 1 }]);
    await settled();
    expect(running(executor)).toEqual([[2]]);
    executor.finishTurn();
    expect(valuesOf(await other)).toEqual([2]);
    expect(queue.depth).toBe(0);
  });

  it('tell their rows with an answer that somebody gets', async () => {
    const { executor, ask } = setUp();
    const caller = new AbortController();
    void ask({ values: [1], signal: caller.signal });
    const other = ask({ values: [2] });
    await settled();
    caller.abort();
    executor.finishTurn();
    expect((await other).batchRows).toBe(2);
  });

  it('are given up for a model whose answer has other rows, and all are answered', async () => {
    const { executor, ask, servable } = setUp();
    executor.answer = () => ({ kind: 'answered', outputs: [tensorOf([42])], computeUs: 1 });
    const answers = [[1], [2], [3]].map((values) => ask({ values }));
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([[42], [42], [42]]);
    expect(servable.batching.joins).toBe(false);
  });

  it('take callers in turn', async () => {
    const { executor, ask } = setUp();
    void ask({ values: [0] });
    await settled();
    for (let at = 0; at < 20; at++) void ask({ values: [1], caller: 'flood' });
    void ask({ values: [2], caller: 'other' });
    executor.finishTurn();
    await settled();
    expect(running(executor)[0]).toContain(2);
  });
});

describe('callers', () => {
  it('take turns over the versions and shapes that they ask for', async () => {
    const { executor, ask } = setUp();
    void ask({ values: [0] });
    await settled();
    for (let at = 0; at < 40; at++) void ask({ values: [1], caller: 'flood' });
    void ask({ values: [2, 2], columns: 2, caller: 'other' });
    const order: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      executor.finishTurn(4_000);
      await settled();
      order.push(...running(executor).flat());
    }
    // Behind the turn that was sent after the first one, and one more; not behind all forty.
    expect(order.indexOf(2)).toBeGreaterThanOrEqual(0);
    expect(order.indexOf(2)).toBeLessThanOrEqual(8);
  });

  it('do not lose their turn to one run that was held up', async () => {
    const { executor, ask, servable } = setUp();
    void ask({ values: [0] });
    await settled();
    executor.finishTurn(200_000); // 2 ms were measured
    await settled();
    expect(servable.batching.isTooLate(1, 3)).toBe(false);
  });
});

describe('deadlines', () => {
  it('that no run could meet are answered at once, although the device is busy', async () => {
    const { ask, executor } = setUp();
    void ask({ values: [0] });
    await settled();
    expect(await reasonOf(ask({ values: [1], deadlineMs: 1 }))).toBe(Reason.DEADLINE_EXCEEDED);
    expect(executor.turns).toHaveLength(1);
  });

  it("that the caller's own requests before it rule out are refused at once, so that another worker can take them", async () => {
    const { ask, queue } = setUp();
    // At 1 ms a row at best: all before it take 51 ms.
    for (let at = 0; at < 51; at++) void ask({ values: [at], deadlineMs: 50 });
    expect(queue.depth).toBe(51);
    expect(await reasonOf(ask({ values: [1], deadlineMs: 50 }))).toBe(Reason.OVERLOADED);
    void ask({ values: [1], deadlineMs: 40 }); // overtakes them
    void ask({ values: [1], deadlineMs: 50, caller: 'another' }); // is not behind them
    expect(queue.depth).toBe(53);
  });

  it('take what cannot be in time out of the way of what can', async () => {
    const { clock, ask, executor } = setUp();
    void ask({ values: [0] });
    await settled();
    const late = ask({ values: [1], deadlineMs: 10 });
    const fine = ask({ values: [2], deadlineMs: 100 });
    await clock.advance(9);
    executor.finishTurn(2_000);
    expect(await reasonOf(late)).toBe(Reason.DEADLINE_EXCEEDED);
    await settled();
    expect(running(executor)).toEqual([[2]]);
    executor.finishTurn();
    expect(valuesOf(await fine)).toEqual([2]);
  });
});

describe('the bound on waiting', () => {
  it('answers OVERLOADED, with a hint, once a request has waited so long', async () => {
    const { clock, ask, executor, queue } = setUp({ config: { maxQueueMs: 50 } });
    void ask({ values: [0] });
    await settled();
    const waiting = ask({ values: [1] });
    await clock.advance(49);
    expect(queue.depth).toBe(2);
    await clock.advance(1);
    expect(await reasonOf(waiting)).toBe(Reason.OVERLOADED);
    expect([queue.depth, executor.turns.length]).toEqual([1, 1]);
  });

  it('refuses at once what would surely wait longer', async () => {
    const { ask } = setUp({ config: { maxQueueMs: 50 } });
    const answers = Array.from({ length: 52 }, (_, at) => ask({ values: [at] }));
    // At 1 ms a row: the first that finds more than 50 rows before it.
    await expect(answers[51]).rejects.toMatchObject({ reason: Reason.OVERLOADED, retryAfterMs: 51 });
  });
});

describe('a delay', () => {
  it('lets requests wait for others, no longer than that, and not once there are enough', async () => {
    const { clock, ask, executor } = setUp({ config: { maxDelayMs: 20 } });
    void ask({ values: [1] });
    await clock.advance(19);
    expect(executor.turns).toEqual([]);
    await clock.advance(1);
    expect(running(executor)).toEqual([[1]]);
    executor.finishTurn();
    await settled();
    for (const value of [2, 3, 4]) void ask({ values: [value] });
    await settled();
    expect(executor.turns).toEqual([]);
    void ask({ values: [5] });
    await settled();
    expect(running(executor)).toEqual([[2, 3, 4, 5]]);
  });
});

describe('several executors', () => {
  it('run at once, and share what waits', async () => {
    const { ask, executors } = setUp({ executors: 2 });
    const answers = [1, 2, 3, 4].map((value) => ask({ values: [value] }));
    await settled();
    expect(executors.map(running)).toEqual([[[1, 2]], [[3, 4]]]);
    for (const executor of executors) executor.finishTurn();
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([[1], [2], [3], [4]]);
  });

  it('go on when the run of one never returns; then its version is given up', async () => {
    const { clock, ask, executors, servable, queue } = setUp({ executors: 2 });
    const [hung, free] = executors as [FakeExecutor, FakeExecutor];
    let stuck = false;
    void servable.stuck.then(() => (stuck = true));
    const hangs = [1, 2].map((value) => ask({ values: [value], deadlineMs: 30_000 }));
    await settled();
    // Each executor got one; the second hands its own back, the first keeps its.
    free.finishTurn();
    await settled();
    for (let second = 0; second < 61; second++) {
      const answer = ask({ values: [second] });
      await settled();
      free.finishTurn();
      expect(valuesOf(await answer)).toEqual([second]);
      await clock.advance(1_000);
    }
    expect(stuck).toBe(true);
    expect(await reasonOf(Promise.all(hangs))).toBe(Reason.WORKER_LOST);
    expect([hung.turns.length, queue.depth]).toEqual([1, 0]);
  });

  it('are lost together: what was on any of them is answered as lost', async () => {
    const { ask, executors, servable } = setUp({ executors: 2 });
    const [first, second] = executors as [FakeExecutor, FakeExecutor];
    const answers = [1, 2].map((value) => ask({ values: [value] }));
    await settled();
    first.lose('its thread ended');
    await expect(servable.executor.lost).resolves.toBe('its thread ended');
    expect(await reasonOf(answers[0] as Promise<unknown>)).toBe(Reason.WORKER_LOST);
    second.finishTurn();
    expect(valuesOf(await (answers[1] as Promise<PredictAnswer>))).toEqual([2]);
    await expect(servable.executor.close()).resolves.toBe(true);
    expect([first.closed, second.closed]).toEqual([true, true]);
  });
});
