import { Reason } from '@bms/contracts';
import { batchedStack, reasonOf, running, tensorOf, valuesOf, type Ask } from './batched-stack.testkit';
import { BatchProfile } from './batching/batch-profile';
import { settled } from './manual-clock.testkit';
import type { PredictAnswer } from './servables/queued-prediction';

describe('batches', () => {
  it('run what waits as one, and give each request its own rows; one of them tells how many rows ran', async () => {
    const { executor, ask, runs, queue } = batchedStack();
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
    const { executor, ask } = batchedStack();
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
    const { executor, ask } = batchedStack();
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
    const { executor, ask, runs } = batchedStack({ profile });
    const answers = [[1], [2], [3], [4]].map((values) => ask({ values }));
    await settled();
    expect(running(executor)).toEqual([[1, 2, 3, 4, 4]]);
    executor.finishTurn();
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([[1], [2], [3], [4]]);
    expect(runs).toEqual([expect.objectContaining({ rows: 4, paddingRows: 1 })]);
  });

  it('run again one by one, once, when they fail: only what is bad fails', async () => {
    const { executor, ask, runs, queue } = batchedStack();
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
    const { clock, executor, ask, runs } = batchedStack();
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
    const { executor, ask, queue } = batchedStack();
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
    const { executor, ask } = batchedStack();
    const caller = new AbortController();
    void ask({ values: [1], signal: caller.signal });
    const other = ask({ values: [2] });
    await settled();
    caller.abort();
    executor.finishTurn();
    expect((await other).batchRows).toBe(2);
  });

  it('are given up for a model whose answer has other rows, and all are answered', async () => {
    const { executor, ask, servable } = batchedStack();
    executor.answer = () => ({ kind: 'answered', outputs: [tensorOf([42])], computeUs: 1 });
    const answers = [[1], [2], [3]].map((values) => ask({ values }));
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([[42], [42], [42]]);
    expect(servable.batching.joins).toBe(false);
  });

  it('take callers in turn', async () => {
    const { executor, ask } = batchedStack();
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
    const { executor, ask } = batchedStack();
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
    const { executor, ask, servable } = batchedStack();
    void ask({ values: [0] });
    await settled();
    executor.finishTurn(200_000); // 2 ms were measured
    await settled();
    expect(servable.batching.isTooLate(1, 3)).toBe(false);
  });
});
