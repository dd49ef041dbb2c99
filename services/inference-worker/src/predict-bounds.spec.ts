import { Reason } from '@bms/contracts';
import { batchedStack, reasonOf, running, valuesOf } from './batched-stack.testkit';
import { BatchProfile } from './batching/batch-profile';
import { settled } from './manual-clock.testkit';
import type { FakeExecutor } from './servables/fake-executor.testkit';
import type { PredictAnswer } from './servables/queued-prediction';

describe('deadlines', () => {
  it('that no run could meet are answered at once, although the device is busy', async () => {
    const { ask, executor } = batchedStack();
    void ask({ values: [0] });
    await settled();
    expect(await reasonOf(ask({ values: [1], deadlineMs: 1 }))).toBe(Reason.DEADLINE_EXCEEDED);
    expect(executor.turns).toHaveLength(1);
  });

  it("that the caller's own requests before it rule out are refused at once, so that another worker can take them", async () => {
    const { ask, queue } = batchedStack();
    // At 1 ms a row at best: all before it take 51 ms.
    for (let at = 0; at < 51; at++) void ask({ values: [at], deadlineMs: 50 });
    expect(queue.depth).toBe(51);
    expect(await reasonOf(ask({ values: [1], deadlineMs: 50 }))).toBe(Reason.OVERLOADED);
    void ask({ values: [1], deadlineMs: 40 }); // overtakes them
    void ask({ values: [1], deadlineMs: 50, caller: 'another' }); // is not behind them
    expect(queue.depth).toBe(53);
  });

  it('take what cannot be in time out of the way of what can', async () => {
    const { clock, ask, executor } = batchedStack();
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
    const { clock, ask, executor, queue } = batchedStack({ config: { maxQueueMs: 50 } });
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
    const { ask } = batchedStack({ config: { maxQueueMs: 50 } });
    const answers = Array.from({ length: 52 }, (_, at) => ask({ values: [at] }));
    // At 1 ms a row: the first that finds more than 50 rows before it.
    await expect(answers[51]).rejects.toMatchObject({ reason: Reason.OVERLOADED, retryAfterMs: 51 });
  });
});

describe('a delay', () => {
  it('lets requests wait for others, no longer than that, and not once there are enough', async () => {
    const { clock, ask, executor } = batchedStack({ config: { maxDelayMs: 20 } });
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
    const { ask, executors } = batchedStack({ executors: 2 });
    const answers = [1, 2, 3, 4].map((value) => ask({ values: [value] }));
    await settled();
    expect(executors.map(running)).toEqual([[[1, 2]], [[3, 4]]]);
    for (const executor of executors) executor.finishTurn();
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([[1], [2], [3], [4]]);
  });

  it('share a list of short runs, too', async () => {
    const profile = new BatchProfile([{ rows: 1, runMs: 0.1 }]);
    const { ask, executors } = batchedStack({ executors: 2, profile });
    for (let at = 0; at < 8; at++) void ask({ values: [at] });
    await settled();
    expect(executors.map((executor) => running(executor).length)).toEqual([4, 4]);
  });

  it('go on when the run of one never returns; then its version is given up', async () => {
    const { clock, ask, executors, servable, queue } = batchedStack({ executors: 2 });
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
    const { ask, executors, servable } = batchedStack({ executors: 2 });
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

describe('a turn that follows another', () => {
  it('is sent while that one runs, if it is full, and has waited until that one ended', async () => {
    const { clock, ask, executor } = batchedStack();
    const answers = Array.from({ length: 10 }, (_, at) => ask({ values: [at] }));
    await settled();
    expect(executor.turns.map(({ requests }) => requests.length)).toEqual([1, 1]);
    expect(executor.turns.map(({ batches }) => batches[0]?.requests.length)).toEqual([4, 4]);
    await clock.advance(5);
    executor.finishTurn(4_000);
    await settled();
    expect(executor.turns).toHaveLength(1); // two are left, which others could join
    executor.finishTurn(4_000);
    expect((await (answers[4] as Promise<PredictAnswer>)).queueUs).toBe(5_000);
    await settled();
    expect(running(executor)).toEqual([[8, 9]]);
  });

  it('is not sent while another version waits for the device', async () => {
    const { ask, askOther, executor, otherExecutor } = batchedStack();
    void ask({ values: [0] });
    await settled();
    void askOther({ values: [1] });
    for (let at = 0; at < 20; at++) void ask({ values: [at] });
    await settled();
    expect([executor.turns.length, otherExecutor.turns.length]).toEqual([1, 0]);
    executor.finishTurn();
    await settled();
    expect([executor.turns.length, otherExecutor.turns.length]).toEqual([0, 1]);
  });
});

describe('large requests', () => {
  it('are joined up to a bound of bytes', async () => {
    const { ask, executor } = batchedStack();
    const columns = 7 * 2 ** 20;
    for (let at = 0; at < 4; at++) void ask({ values: Array<number>(columns).fill(at), columns });
    await settled();
    expect(executor.turns[0]?.batches[0]?.requests).toHaveLength(2); // of 7 MiB each
  }, 60_000);
});
