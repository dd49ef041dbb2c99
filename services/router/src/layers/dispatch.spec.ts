import { models, Reason, routeService, type BmsError } from '@bms/contracts';
import { Catalog } from '../catalog/catalog';
import { RouteTable } from '../catalog/route-table';
import { modelRoute, routeSnapshot, workerRoute, type VersionWish } from '../catalog/routes.testkit';
import { failing, FakeDialer, silent, type FakeAnswer } from '../fleet/fake-channel.testkit';
import { Fleet } from '../fleet/fleet';
import { newProgress, type InferCall, type InferResult } from '../infer-call';
import { inferCall } from '../infer-call.testkit';
import { ManualClock, settle } from '../manual-clock.testkit';
import { dispatch } from './dispatch';

const WAIT_MS = 2_000;

describe('dispatch', () => {
  let clock: ManualClock;
  let dialer: FakeDialer;
  let fleet: Fleet;
  let catalog: Catalog;
  const observer = { attempt: jest.fn() };

  beforeEach(() => {
    jest.clearAllMocks();
    clock = new ManualClock();
    dialer = new FakeDialer();
    catalog = new Catalog();
    fleet = new Fleet({
      dial: dialer.dial,
      clock,
      random: () => 0,
      callsPerWorker: 2,
      firstConnectionMs: 500,
      observer: { connection: () => {}, ejected: () => {} },
    });
    catalog.onChange((table) => fleet.follow(table));
  });

  /** Routes to workers, all of which hold version 1 unless told otherwise. */
  const route = (workers: readonly string[], version: Partial<VersionWish> = {}, revision = 1): void => {
    const wish = { version: 1, ready: workers, ...version };
    const all = workers.map((id) => workerRoute(id));
    catalog.replace(RouteTable.of(routeSnapshot(revision, [modelRoute('digits', [wish], { active: 1 })], all)));
  };
  /** Workers whose connections are ready, each with its answers, the last of which it repeats. */
  const workers = (answers: Readonly<Record<string, readonly FakeAnswer[]>>): void => {
    route(Object.keys(answers));
    for (const [id, script] of Object.entries(answers)) {
      const left = [...script];
      const channel = dialer.to(`${id}:1`);
      channel.become('ready');
      channel.answer = (call) => ((left.length > 1 ? left.shift() : left[0]) as FakeAnswer)(call);
    }
  };
  const send = (wish: Partial<InferCall> = {}): { readonly call: InferCall; readonly result: Promise<InferResult> } => {
    const progress = newProgress();
    progress.version = catalog.current?.model('default', 'digits')?.versions.get(1 as never);
    const call = inferCall({ progress, ...wish });
    const result = dispatch({ catalog, fleet, clock, waitLimitMs: WAIT_MS, observer })(call);
    result.catch(() => {}); // looked at later
    return { call, result };
  };
  const failureOf = async (result: Promise<InferResult>): Promise<BmsError> =>
    result.then(
      () => {
        throw new Error('it was answered');
      },
      (error: BmsError) => error,
    );
  const calls = (id: string): number => dialer.to(`${id}:1`).calls.length;
  const ok: FakeAnswer = () => Buffer.from('answer');

  it('answers with what the worker answered, and says who that was', async () => {
    workers({ w1: [ok] });
    const { call, result } = send();
    expect(Buffer.from((await result).body).toString()).toBe('answer');
    expect(call.progress).toMatchObject({ attempts: 1, workerId: 'w1' });
    expect(observer.attempt).toHaveBeenCalledWith(expect.objectContaining({ version: 'default/digits@1' }), undefined);
  });

  it.each([
    ['CONNECTION_FAILED', Reason.CONNECTION_FAILED],
    ['REPLICA_GONE', Reason.REPLICA_GONE],
    ['DRAINING', Reason.DRAINING],
    ['OVERLOADED', Reason.OVERLOADED],
    ['NOT_READY', Reason.NOT_READY],
    ['WORKER_LOST', Reason.WORKER_LOST],
  ])('sends a call elsewhere after %s, and the caller sees nothing of it', async (_name, reason) => {
    workers({ w1: [failing(reason)], w2: [ok] });
    const { call, result } = send();
    await result;
    expect([calls('w1'), calls('w2')]).toEqual([1, 1]);
    expect(call.progress).toMatchObject({ attempts: 2, workerId: 'w2' });
  });

  it.each([
    ['INVALID_REQUEST', Reason.INVALID_REQUEST],
    ['INVALID_TENSOR', Reason.INVALID_TENSOR],
    ['MODEL_FAILED', Reason.MODEL_FAILED],
    ['DEADLINE_EXCEEDED', Reason.DEADLINE_EXCEEDED],
    ['CANCELLED', Reason.CANCELLED],
    ['MESSAGE_TOO_LARGE', Reason.MESSAGE_TOO_LARGE],
    ['UNIMPLEMENTED', Reason.UNIMPLEMENTED],
    ['INTERNAL', Reason.INTERNAL],
  ])('never sends a call again after %s', async (_name, reason) => {
    workers({ w1: [failing(reason)], w2: [ok] });
    const { result } = send();
    expect((await failureOf(result)).reason).toBe(reason);
    expect([calls('w1'), calls('w2')]).toEqual([1, 0]);
  });

  it('sends a call that was on board of a lost worker once more, and no more than that', async () => {
    workers({ w1: [failing(Reason.WORKER_LOST)], w2: [failing(Reason.WORKER_LOST)], w3: [ok] });
    const failure = await failureOf(send().result);
    expect(failure.reason).toBe(Reason.WORKER_LOST);
    expect(failure.message).toContain('two workers were lost');
    expect([calls('w1'), calls('w2'), calls('w3')]).toEqual([1, 1, 0]);
  });

  it('counts a replay and a call that never ran apart', async () => {
    workers({
      w1: [failing(Reason.CONNECTION_FAILED)],
      w2: [failing(Reason.WORKER_LOST)],
      w3: [failing(Reason.DRAINING)],
      w4: [ok],
    });
    const { call, result } = send();
    await result;
    expect(call.progress.attempts).toBe(4);
  });

  it('gives up after five attempts, and tells what that means for the caller', async () => {
    const ids = ['w1', 'w2', 'w3', 'w4', 'w5', 'w6'];
    workers(Object.fromEntries(ids.map((id) => [id, [failing(Reason.REPLICA_GONE, 'inner words')]])));
    const { call, result } = send();
    const failure = await failureOf(result);
    expect(failure).toMatchObject({ reason: Reason.NOT_READY, retryAfterMs: 1_000 });
    expect(failure.message).toContain('no worker took the request in 5 attempts');
    expect(call.progress.attempts).toBe(5);
  });

  it('tells OVERLOADED with its retry hint when every worker answered so', async () => {
    workers({ w1: [failing(Reason.OVERLOADED, 'full', 70)], w2: [failing(Reason.OVERLOADED, 'full', 70)] });
    expect(await failureOf(send().result)).toMatchObject({ reason: Reason.OVERLOADED, retryAfterMs: 70 });
    expect([calls('w1'), calls('w2')]).toEqual([1, 1]);
  });

  it('sheds with a retry hint when every worker has as many calls as it may have', async () => {
    workers({ w1: [silent] });
    send();
    send();
    expect(await failureOf(send().result)).toMatchObject({ reason: Reason.OVERLOADED, retryAfterMs: 100 });
  });

  describe('while nobody can take the call', () => {
    it('waits for a connection that is being made', async () => {
      route(['w1']);
      const { result } = send();
      await clock.advance(WAIT_MS - 1);
      dialer.to('w1:1').become('ready');
      await expect(result).resolves.toBeDefined();
      expect(clock.pendingTimers).toBe(0);
    });

    it('waits for one that was lost with the call on board', async () => {
      workers({
        w1: [
          (call) => {
            dialer.to('w1:1').become('failed');
            return failing(Reason.WORKER_LOST)(call);
          },
          ok,
        ],
      });
      const { call, result } = send();
      await clock.advance(500);
      dialer.to('w1:1').become('ready');
      await result;
      expect(call.progress.attempts).toBe(2);
    });

    it('does not try again where the version is gone, until the routes name it there anew', async () => {
      workers({ w1: [failing(Reason.REPLICA_GONE), ok] });
      const { result } = send();
      await settle();
      fleet.follow(catalog.current as RouteTable); // a change, but not of what was wrong
      await settle();
      expect(calls('w1')).toBe(1);
      route(['w1'], {}, 2);
      await result;
      expect(calls('w1')).toBe(2);
    });

    it('goes to a worker that the routes name meanwhile', async () => {
      workers({ w1: [failing(Reason.REPLICA_GONE)] });
      const { call, result } = send();
      await settle();
      route(['w2'], {}, 2);
      dialer.to('w2:1').become('ready');
      await result;
      expect(call.progress).toMatchObject({ attempts: 2, workerId: 'w2' });
    });

    it('ends with NOT_READY and a retry hint when nobody comes back in time', async () => {
      route(['w1']);
      const { result } = send();
      await clock.advance(WAIT_MS);
      const failure = await failureOf(result);
      expect(failure).toMatchObject({ reason: Reason.NOT_READY, retryAfterMs: 1_000 });
      expect(failure.message).toContain('no worker that holds it is connected');
    });

    it('ends with DEADLINE_EXCEEDED when the deadline comes first', async () => {
      route(['w1']);
      const { result } = send({ deadlineMs: clock.nowMs() + 300 });
      await clock.advance(300);
      expect((await failureOf(result)).reason).toBe(Reason.DEADLINE_EXCEEDED);
    });

    it('ends with CANCELLED as soon as the caller gives up', async () => {
      route(['w1']);
      const abort = new AbortController();
      const { result } = send({ signal: abort.signal });
      await settle();
      abort.abort();
      expect((await failureOf(result)).reason).toBe(Reason.CANCELLED);
      expect(clock.pendingTimers).toBe(0);
    });

    it('waits for workers that died together, and tells the reason of the routes when none comes back in time', async () => {
      route(['w1']);
      const { result } = send();
      await settle();
      route([], { reason: 'it could not be loaded: out of memory' }, 2);
      await clock.advance(WAIT_MS);
      expect((await failureOf(result)).message).toContain('out of memory');
    });

    it('ends with VERSION_OFFLINE when the version is taken offline', async () => {
      route(['w1']);
      const { result } = send();
      await settle();
      route(['w1'], { state: models.VersionState.OFFLINE, ready: [] }, 2);
      expect((await failureOf(result)).reason).toBe(Reason.VERSION_OFFLINE);
    });

    it('ends with VERSION_NOT_FOUND when the version is deleted', async () => {
      route(['w1']);
      const { result } = send();
      await settle();
      const current = catalog.current as RouteTable;
      const removedModels = [{ tenant: 'default', model: 'digits' }];
      catalog.replace(current.with(routeService.RouteDelta.create({ revision: 2n, removedModels })));
      expect((await failureOf(result)).reason).toBe(Reason.VERSION_NOT_FOUND);
    });
  });

  it('sends nothing after the deadline', async () => {
    workers({ w1: [ok] });
    expect((await failureOf(send({ deadlineMs: clock.nowMs() }).result)).reason).toBe(Reason.DEADLINE_EXCEEDED);
    expect(calls('w1')).toBe(0);
  });

  it('sends nothing for a caller that has given up', async () => {
    workers({ w1: [ok] });
    expect((await failureOf(send({ signal: AbortSignal.abort() }).result)).reason).toBe(Reason.CANCELLED);
    expect(calls('w1')).toBe(0);
  });

  it('does not try again once the deadline has passed', async () => {
    const deadlineMs = clock.nowMs() + 100;
    workers({
      w1: [
        async (call) => {
          await clock.advance(100);
          return failing(Reason.REPLICA_GONE)(call);
        },
      ],
      w2: [ok],
    });
    expect((await failureOf(send({ deadlineMs }).result)).reason).toBe(Reason.DEADLINE_EXCEEDED);
    expect(calls('w2')).toBe(0);
  });

  it("passes the caller's signal and deadline on, so that its cancel reaches the worker", async () => {
    workers({ w1: [silent] });
    const abort = new AbortController();
    const deadlineMs = clock.nowMs() + 5_000;
    const { result } = send({ signal: abort.signal, deadlineMs });
    await settle();
    const [sent] = dialer.to('w1:1').calls;
    expect(sent?.options).toMatchObject({ deadlineMs, signal: abort.signal });
    abort.abort();
    expect((await failureOf(result)).reason).toBe(Reason.CANCELLED);
  });
});
