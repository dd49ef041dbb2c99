import { BmsError, models, Reason } from '@bms/contracts';
import type { Tensor } from '@bms/tensor';
import { ManualClock, settled } from './manual-clock.testkit';
import { PredictStack } from './predict.stack';
import { DevicePermits } from './servables/device-permits';
import { FakeExecutor } from './servables/fake-executor.testkit';
import { PredictQueue, type QueueLimits } from './servables/predict-queue';
import type { PredictAnswer } from './servables/queued-prediction';
import { Servable } from './servables/servable';

function setUp(limits: Partial<QueueLimits> = {}, concurrentRuns = 1) {
  const clock = new ManualClock(0);
  const permits = new DevicePermits(concurrentRuns);
  const queue = new PredictQueue({ requests: 100, bytes: 1_000, ...limits }, concurrentRuns, clock);
  const stack = new PredictStack(queue, permits, clock);
  const servable = (model: string) => {
    const executor = new FakeExecutor();
    const ref = models.VersionRef.create({ tenant: 'default', model, version: 1n });
    return { executor, servable: new Servable(ref, models.Signature.create({}), executor) };
  };
  const ask = (
    { servable: asked }: { servable: Servable },
    name: string,
    more: { deadlineMs?: number; signal?: AbortSignal; sizeBytes?: number } = {},
  ): Promise<PredictAnswer> => {
    const { deadlineMs, signal = new AbortController().signal, sizeBytes = 1 } = more;
    const answer = stack.predict({
      servable: asked,
      request: { inputs: [tensor(name, sizeBytes)], outputs: ['y'] },
      deadlineMs,
      signal,
      caller: 'somebody',
    });
    answer.catch(() => undefined);
    return answer;
  };
  return { clock, permits, queue, stack, servable, ask };
}

function tensor(name: string, sizeBytes: number): Tensor {
  return { name, datatype: 'UINT8', shape: [sizeBytes], data: new Uint8Array(sizeBytes) };
}

/** The names of the requests that run in the executor's first turn. */
function running({ executor }: { executor: FakeExecutor }): string[] {
  return (executor.turns[0]?.requests ?? []).map(({ inputs }) => inputs[0]?.name ?? '');
}

async function reasonOf(answer: Promise<unknown>): Promise<Reason | undefined> {
  const error: unknown = await answer.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return BmsError.is(error) ? error.reason : undefined;
}

describe('PredictStack', () => {
  it('answers a request with its outputs, the time that it waited and the time that it ran', async () => {
    const { clock, servable, ask } = setUp();
    const model = servable('m');
    const first = ask(model, 'first');
    await settled();
    const second = ask(model, 'second');
    await clock.advance(7);
    model.executor.finishTurn(5_000);
    expect(await first).toMatchObject({ outputs: [{ name: 'first' }], queueUs: 0, computeUs: 5_000 });
    await settled();
    model.executor.finishTurn(6_000);
    expect(await second).toMatchObject({ outputs: [{ name: 'second' }], queueUs: 7_000, computeUs: 6_000 });
  });

  it('runs the earliest deadline first; who has none goes by a patience of 30 s', async () => {
    const { servable, ask, queue } = setUp();
    const model = servable('m');
    model.servable.batching.observe(1, 100); // slow, so that a turn is one request
    void ask(model, 'running');
    await settled();
    const answers = [
      ask(model, 'late', { deadlineMs: 50_000 }),
      ask(model, 'none'),
      ask(model, 'soon', { deadlineMs: 10 }),
      ask(model, 'also none'),
    ];
    const order: string[] = [];
    for (let turn = 0; turn < 5; turn++) {
      order.push(...running(model));
      model.executor.finishTurn(100_000);
      await settled();
    }
    await Promise.all(answers);
    expect(order).toEqual(['running', 'soon', 'none', 'also none', 'late']);
    expect(queue.depth).toBe(0);
  });

  it('runs requests that are short together, and long ones one by one', async () => {
    const { servable, ask } = setUp();
    const [short, long] = [servable('short'), servable('long')];
    short.servable.batching.observe(1, 0.25);
    long.servable.batching.observe(1, 20);
    for (let at = 0; at < 12; at++) void ask(short, `short ${at}`, { deadlineMs: 1_000 });
    for (let at = 0; at < 12; at++) void ask(long, `long ${at}`, { deadlineMs: 2_000 });
    await settled();
    expect(running(short)).toHaveLength(8); // 2 ms
    short.executor.finishTurn();
    await settled();
    expect(running(short)).toHaveLength(4);
    short.executor.finishTurn();
    await settled();
    expect(running(long)).toHaveLength(1);
  });

  it('lets as many versions run at once as the device has permits, and no version twice', async () => {
    const { servable, ask } = setUp({}, 2);
    const all = [servable('a'), servable('b'), servable('c')];
    for (const model of all) for (const name of ['1', '2']) void ask(model, name, { deadlineMs: 9_000 });
    await settled();
    expect(all.map(({ executor }) => executor.turns.length)).toEqual([1, 1, 0]);
    all[0]?.executor.finishTurn();
    await settled();
    expect(all.map(({ executor }) => executor.turns.length)).toEqual([1, 1, 0]); // its second one was there before
    all[0]?.executor.finishTurn();
    await settled();
    expect(all.map(({ executor }) => executor.turns.length)).toEqual([0, 1, 1]);
  });

  it('answers DEADLINE_EXCEEDED, without running it, when a request waited too long', async () => {
    const { clock, servable, ask, queue } = setUp();
    const model = servable('m');
    void ask(model, 'running');
    await settled();
    const late = ask(model, 'late', { deadlineMs: 5 });
    await clock.advance(6);
    model.executor.finishTurn();
    expect(await reasonOf(late)).toBe(Reason.DEADLINE_EXCEEDED);
    await settled();
    expect(model.executor.turns).toEqual([]);
    expect(queue.depth).toBe(0);
  });

  it('drops a request whose caller gave up while it waited', async () => {
    const { servable, ask, queue } = setUp();
    const model = servable('m');
    void ask(model, 'running');
    await settled();
    const caller = new AbortController();
    const given = ask(model, 'given up', { signal: caller.signal, sizeBytes: 9 });
    expect([queue.depth, queue.bytes]).toEqual([2, 10]);
    caller.abort();
    expect(await reasonOf(given)).toBe(Reason.CANCELLED);
    expect([queue.depth, queue.bytes]).toEqual([1, 1]);
    expect(await reasonOf(ask(model, 'too late', { signal: caller.signal }))).toBe(Reason.CANCELLED);
    model.executor.finishTurn();
    await settled();
    expect(model.executor.turns).toEqual([]);
  });

  it('lets go of a caller who gives up while its request runs, and keeps its version until the run has ended', async () => {
    const { servable, ask, queue } = setUp();
    const model = servable('m');
    const caller = new AbortController();
    const given = ask(model, 'given up', { signal: caller.signal });
    await settled();
    caller.abort(new BmsError(Reason.DEADLINE_EXCEEDED, 'the deadline passed'));
    expect(await reasonOf(given)).toBe(Reason.DEADLINE_EXCEEDED);
    expect([queue.depth, model.servable.inUse]).toEqual([1, 1]);
    model.executor.finishTurn();
    await settled();
    expect([queue.depth, model.servable.inUse]).toEqual([0, 0]);
  });

  it.each<[string, Partial<QueueLimits>, number]>([
    ['requests', { requests: 3 }, 1],
    ['bytes', { bytes: 30 }, 10],
  ])('answers OVERLOADED, with a hint when to come again, when it is full of %s', async (_, limits, sizeBytes) => {
    const { servable, ask } = setUp(limits);
    const model = servable('m');
    model.servable.batching.observe(1, 40);
    const held = [1, 2, 3].map((name) => ask(model, String(name), { sizeBytes }));
    await expect(ask(model, 'one too many', { sizeBytes })).rejects.toMatchObject({
      reason: Reason.OVERLOADED,
      retryAfterMs: 120,
    });
    for (const answer of held) {
      await settled();
      model.executor.finishTurn();
      await answer;
    }
    void ask(model, 'room again', { sizeBytes });
    await settled();
    expect(running(model)).toEqual(['room again']);
  });

  it('takes a request beyond the bound of bytes when it is the only one', async () => {
    const { servable, ask } = setUp({ bytes: 30 });
    const model = servable('m');
    const big = ask(model, 'big', { sizeBytes: 31 });
    await settled();
    model.executor.finishTurn();
    await expect(big).resolves.toMatchObject({ outputs: [{ name: 'big' }] });
  });

  it('gives each request of a turn its own outcome', async () => {
    const { servable, ask } = setUp();
    const model = servable('m');
    model.servable.batching.observe(1, 0.1);
    const answers = ['fine', 'refused', 'failed', 'large'].map((name) => ask(model, name));
    model.executor.answer = ({ inputs }) => {
      const [input] = inputs;
      if (input?.name === 'fine') return { kind: 'answered', outputs: [input], computeUs: 1 };
      if (input?.name === 'refused') return { kind: 'refused', field: 'x', message: 'element 1 is not UTF-8' };
      if (input?.name === 'large') return { kind: 'oversized', message: 'its answer takes 9 bytes', computeUs: 1 };
      return { kind: 'failed', message: 'indices out of bounds', computeUs: 1 };
    };
    await expect(answers[0]).resolves.toMatchObject({ outputs: [{ name: 'fine' }] });
    await expect(answers[1]).rejects.toMatchObject({
      reason: Reason.INVALID_TENSOR,
      message: 'inputs[x]: element 1 is not UTF-8',
    });
    await expect(answers[2]).rejects.toMatchObject({
      reason: Reason.MODEL_FAILED,
      message: 'default/m@1 failed: indices out of bounds',
    });
    await expect(answers[3]).rejects.toMatchObject({
      reason: Reason.MESSAGE_TOO_LARGE,
      message: 'default/m@1: its answer takes 9 bytes',
    });
  });

  it('tells requests that were on board of a lost executor from those that waited for it', async () => {
    const { servable, ask, queue } = setUp();
    const [broken, other] = [servable('broken'), servable('other')];
    broken.servable.batching.observe(1, 100);
    const onBoard = ask(broken, 'on board');
    await settled();
    const waited = ask(broken, 'waited');
    const unaffected = ask(other, 'unaffected');
    broken.executor.lose('its thread ended');
    expect(await reasonOf(onBoard)).toBe(Reason.WORKER_LOST);
    expect(await reasonOf(waited)).toBe(Reason.REPLICA_GONE);
    await settled();
    other.executor.finishTurn();
    await expect(unaffected).resolves.toMatchObject({ outputs: [{ name: 'unaffected' }] });
    expect(queue.depth).toBe(0);
  });

  it('refuses a version that is being taken off, and finishes what it has', async () => {
    const { servable, ask } = setUp();
    const model = servable('m');
    const inFlight = ask(model, 'in flight');
    const retired = model.servable.retire();
    expect(await reasonOf(ask(model, 'late'))).toBe(Reason.REPLICA_GONE);
    await settled();
    model.executor.finishTurn();
    await expect(inFlight).resolves.toBeDefined();
    await expect(retired).resolves.toBeUndefined();
  });

  it('lets other versions run beside a run that takes longer than a second', async () => {
    const { clock, servable, ask } = setUp();
    const [long, short] = [servable('long'), servable('short')];
    void ask(long, 'long');
    await settled();
    void ask(short, 'short');
    await clock.advance(999);
    expect(running(short)).toEqual([]);
    await clock.advance(1);
    expect(running(short)).toEqual(['short']);
    long.executor.finishTurn();
    await settled();
    void ask(long, 'next');
    await settled();
    expect(running(long)).toEqual([]); // the permit that came back early came back once
    short.executor.finishTurn();
    await settled();
    expect(running(long)).toEqual(['next']);
  });

  it('gives a version up whose run does not return for a minute and for which nobody waits any more', async () => {
    const { clock, servable, ask, queue } = setUp();
    const model = servable('m');
    let stuck = false;
    void model.servable.stuck.then(() => (stuck = true));
    const hangs = ask(model, 'hangs', { deadlineMs: 90_000 });
    await settled();
    const waits = ask(model, 'waits', { deadlineMs: 200_000 });
    await clock.advance(89_000);
    expect(stuck).toBe(false); // its caller still waits
    await clock.advance(10_000);
    expect(stuck).toBe(true);
    expect(await reasonOf(hangs)).toBe(Reason.WORKER_LOST);
    expect(await reasonOf(waits)).toBe(Reason.REPLICA_GONE);
    expect([queue.depth, queue.bytes]).toEqual([0, 0]);
  });
});
