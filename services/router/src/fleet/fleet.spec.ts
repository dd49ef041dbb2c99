import { BmsError, CallMetadata, Reason, type routeService } from '@bms/contracts';
import { Metadata } from '@bms/transport';
import { RouteTable, type VersionEntry } from '../catalog/route-table';
import { modelRoute, routeSnapshot, workerRoute } from '../catalog/routes.testkit';
import { ManualClock, settle } from '../manual-clock.testkit';
import { failing, FakeDialer, silent } from './fake-channel.testkit';
import { Fleet } from './fleet';
import type { FleetReplica } from './fleet-replica';

const NOBODY: ReadonlySet<FleetReplica> = new Set();
const signal = new AbortController().signal;

describe('Fleet', () => {
  let clock: ManualClock;
  let dialer: FakeDialer;
  let fleet: Fleet;
  let randoms: number[];
  const observer = { connection: jest.fn(), ejected: jest.fn() };

  beforeEach(() => {
    jest.clearAllMocks();
    clock = new ManualClock();
    dialer = new FakeDialer();
    randoms = [];
    fleet = new Fleet({
      dial: dialer.dial,
      clock,
      random: () => randoms.shift() ?? 0,
      callsPerWorker: 3,
      firstConnectionMs: 500,
      observer,
    });
  });

  const tableOf = (
    revision: number,
    ready: readonly string[],
    workers: readonly routeService.WorkerRoute[],
  ): RouteTable =>
    RouteTable.of(routeSnapshot(revision, [modelRoute('digits', [{ version: 1, ready }], { active: 1 })], workers));
  const versionIn = (table: RouteTable): VersionEntry => {
    const version = table.model('default', 'digits')?.versions.get(1 as never);
    if (version === undefined) throw new Error('no version 1');
    return version;
  };
  const pickOne = (version: VersionEntry): FleetReplica => {
    const verdict = fleet.pick(version, NOBODY);
    if (verdict.kind !== 'replica') throw new Error(`no replica: ${verdict.kind}`);
    return verdict.replica;
  };
  const callOf = (deadlineMs = clock.nowMs() + 5_000, callSignal = signal) => ({
    body: Buffer.from('request'),
    requestId: 'r-1',
    tenant: 'default',
    deadlineMs,
    signal: callSignal,
  });

  it('connects to a worker as soon as it is in the routes, and picks it once the connection is ready', () => {
    const table = tableOf(1, ['w1'], [workerRoute('w1')]);
    fleet.follow(table);
    expect(dialer.to('w1:1').state).toBe('connecting');
    expect(fleet.pick(versionIn(table), NOBODY)).toEqual({ kind: 'wait' });
    dialer.to('w1:1').become('ready');
    expect(pickOne(versionIn(table)).worker.workerId).toBe('w1');
    expect(fleet.size).toEqual({ routed: 1, connected: 1 });
  });

  it('takes a version for lost lately for half a minute after its last worker left the routes', async () => {
    const never = tableOf(1, [], [workerRoute('w1')]);
    fleet.follow(never);
    expect(fleet.lostLately(versionIn(never))).toBe(false);
    fleet.follow(tableOf(2, ['w1'], [workerRoute('w1')]));
    await clock.advance(3_600_000);
    const lost = tableOf(3, [], [workerRoute('w1')]);
    fleet.follow(lost);
    fleet.follow(tableOf(4, [], []));
    await clock.advance(29_999);
    expect(fleet.lostLately(versionIn(lost))).toBe(true);
    await clock.advance(1);
    expect(fleet.lostLately(versionIn(lost))).toBe(false);
  });

  it('says that there is nobody to wait for where no worker holds the version', () => {
    const table = tableOf(1, [], [workerRoute('w1')]);
    fleet.follow(table);
    expect(fleet.pick(versionIn(table), NOBODY)).toEqual({ kind: 'fail' });
  });

  it('takes a replica out in the turn in which its connection breaks, and back in when it is ready', () => {
    const table = tableOf(1, ['w1', 'w2'], [workerRoute('w1'), workerRoute('w2')]);
    fleet.follow(table);
    for (const channel of dialer.channels) channel.become('ready');
    dialer.to('w1:1').become('failed');
    for (const draw of [0, 0.5]) {
      randoms = [draw, 0];
      expect(pickOne(versionIn(table)).worker.workerId).toBe('w2');
    }
    expect(observer.connection).toHaveBeenLastCalledWith(expect.objectContaining({ workerId: 'w1' }), false);
    dialer.to('w2:1').become('failed');
    expect(fleet.pick(versionIn(table), NOBODY)).toEqual({ kind: 'wait' });
    dialer.to('w1:1').become('ready');
    expect(pickOne(versionIn(table)).worker.workerId).toBe('w1');
  });

  it('connects again when a connection becomes idle', () => {
    fleet.follow(tableOf(1, ['w1'], [workerRoute('w1')]));
    dialer.to('w1:1').become('ready');
    dialer.to('w1:1').become('idle');
    expect(dialer.to('w1:1').state).toBe('connecting');
  });

  it('calls a new incarnation over a connection of its own', () => {
    fleet.follow(tableOf(1, ['w1'], [workerRoute('w1')]));
    const [first] = dialer.channels;
    first?.become('ready');
    const table = tableOf(2, ['w1'], [workerRoute('w1', 'w1:1', 'w1-2')]);
    fleet.follow(table);
    expect(first?.state).toBe('closed');
    expect(dialer.channels).toHaveLength(2);
    expect(fleet.pick(versionIn(table), NOBODY)).toEqual({ kind: 'wait' });
    dialer.to('w1:1').become('ready');
    expect(pickOne(versionIn(table)).worker.incarnation).toBe('w1-2');
  });

  it('keeps a connection through changes of the routes that do not concern it', () => {
    fleet.follow(tableOf(1, ['w1'], [workerRoute('w1')]));
    dialer.to('w1:1').become('ready');
    fleet.follow(tableOf(2, [], [workerRoute('w1'), workerRoute('w2')]));
    expect(dialer.channels.map(({ state }) => state)).toEqual(['ready', 'connecting']);
  });

  it('closes the connection of a worker that left the routes once its last call has ended', async () => {
    const table = tableOf(1, ['w1'], [workerRoute('w1')]);
    fleet.follow(table);
    const channel = dialer.to('w1:1');
    channel.become('ready');
    let answer = (_: Buffer): void => {};
    channel.answer = () => new Promise((resolve) => (answer = resolve));
    const answered = pickOne(versionIn(table)).infer(callOf());
    fleet.follow(tableOf(2, [], []));
    expect(channel.state).toBe('ready');
    answer(Buffer.from('late'));
    expect(Buffer.from((await answered).body).toString()).toBe('late');
    expect(channel.state).toBe('closed');
  });

  it('sends the bytes as they are, and beside them the version, the worker, its incarnation, the request and the tenant', async () => {
    const table = tableOf(1, ['w1'], [workerRoute('w1')]);
    fleet.follow(table);
    dialer.to('w1:1').become('ready');
    const call = callOf(clock.nowMs() + 777);
    await pickOne(versionIn(table)).infer(call);
    const [sent] = dialer.to('w1:1').calls;
    expect(sent?.path).toBe('/inference.GRPCInferenceService/ModelInfer');
    expect(sent?.request).toBe(call.body);
    expect(sent?.options.deadlineMs).toBe(clock.nowMs() + 777);
    expect(Object.fromEntries(sent?.options.metadata?.entries() ?? [])).toEqual({
      [CallMetadata.versionId]: 'default/digits@1',
      [CallMetadata.workerId]: 'w1',
      [CallMetadata.incarnation]: 'w1-1',
      [CallMetadata.requestId]: 'r-1',
      [CallMetadata.tenant]: 'default',
    });
  });

  it('prefers the worker with fewer calls, and sheds when all have as many as they may have', () => {
    const table = tableOf(1, ['w1', 'w2'], [workerRoute('w1'), workerRoute('w2')]);
    fleet.follow(table);
    for (const channel of dialer.channels) {
      channel.become('ready');
      channel.answer = silent;
    }
    const picked: string[] = [];
    for (let call = 0; call < 6; call++) {
      const replica = pickOne(versionIn(table));
      picked.push(replica.worker.workerId);
      void replica.infer(callOf()).catch(() => {});
    }
    expect(picked.sort()).toEqual(['w1', 'w1', 'w1', 'w2', 'w2', 'w2']);
    expect(fleet.pick(versionIn(table), NOBODY)).toEqual({ kind: 'shed' });
  });

  it("learns of others' calls from the depth that an answer reports", async () => {
    const table = tableOf(1, ['w1', 'w2'], [workerRoute('w1'), workerRoute('w2')]);
    fleet.follow(table);
    for (const channel of dialer.channels) channel.become('ready');
    dialer.to('w1:1').answer = ({ options }) => {
      options.onTrailers?.(Metadata.from({ [CallMetadata.queueDepth]: '9' }));
      return Buffer.from('');
    };
    await pickOne(versionIn(table)).infer(callOf());
    for (const draw of [0, 0.5]) {
      randoms = [draw, 0];
      expect(pickOne(versionIn(table)).worker.workerId).toBe('w2');
    }
  });

  it('does not hold the slowness of its first answers against a replica', async () => {
    const table = tableOf(1, ['w1'], [workerRoute('w1')]);
    fleet.follow(table);
    dialer.to('w1:1').become('ready');
    const takes = (ms: number) => async () => {
      await clock.advance(ms);
      return Buffer.from('');
    };
    const replica = pickOne(versionIn(table));
    dialer.to('w1:1').answer = takes(500);
    for (let call = 0; call < 10; call++) await replica.infer(callOf());
    expect(replica.latencyMs.read(clock.monotonicMs())).toBeUndefined();
    dialer.to('w1:1').answer = takes(5);
    await replica.infer(callOf());
    expect(replica.latencyMs.read(clock.monotonicMs())).toBe(5);
  });

  it('ejects a replica that fails three times in a row, and tries it again after a second', async () => {
    const table = tableOf(1, ['w1', 'w2'], [workerRoute('w1'), workerRoute('w2')]);
    fleet.follow(table);
    for (const channel of dialer.channels) channel.become('ready');
    dialer.to('w1:1').answer = failing(Reason.INTERNAL);
    const failed = pickOne(versionIn(table));
    for (let call = 0; call < 3; call++) await expect(failed.infer(callOf())).rejects.toThrow('scripted');
    expect(observer.ejected).toHaveBeenCalledWith(failed);
    randoms = [0, 0];
    expect(pickOne(versionIn(table)).worker.workerId).toBe('w2');
    await clock.advance(1_000);
    randoms = [0, 0];
    expect(pickOne(versionIn(table))).toBe(failed);
  });

  it.each([
    Reason.INVALID_TENSOR,
    Reason.MODEL_FAILED,
    Reason.DEADLINE_EXCEEDED,
    Reason.CANCELLED,
    Reason.OVERLOADED,
    Reason.REPLICA_GONE,
  ])('ejects nobody for what is not the replica’s fault (%i)', async (reason) => {
    const table = tableOf(1, ['w1', 'w2'], [workerRoute('w1'), workerRoute('w2')]);
    fleet.follow(table);
    for (const channel of dialer.channels) channel.become('ready');
    dialer.to('w1:1').answer = failing(reason);
    const replica = pickOne(versionIn(table));
    for (let call = 0; call < 5; call++) await expect(replica.infer(callOf())).rejects.toThrow(BmsError);
    expect(replica.ejection.kind).toBe('in');
    expect(observer.ejected).not.toHaveBeenCalled();
  });

  describe('waiting', () => {
    it('wakes at the next change', async () => {
      fleet.follow(tableOf(1, ['w1'], [workerRoute('w1')]));
      const change = fleet.nextChange(1_000, signal);
      dialer.to('w1:1').become('ready');
      expect(await change).toBe('changed');
      expect(clock.pendingTimers).toBe(0);
    });

    it('ends after its bound, and when it is aborted', async () => {
      const bounded = fleet.nextChange(1_000, signal);
      await clock.advance(1_000);
      expect(await bounded).toBe('timed out');
      const abort = new AbortController();
      const aborted = fleet.nextChange(1_000, abort.signal);
      abort.abort();
      expect(await aborted).toBe('aborted');
      expect(await fleet.nextChange(1_000, abort.signal)).toBe('aborted');
      expect(clock.pendingTimers).toBe(0);
    });
  });

  describe('first connections', () => {
    const after = async (act: () => Promise<void> | void): Promise<boolean> => {
      let done = false;
      void fleet.firstConnections(signal).then(() => (done = true));
      await settle();
      expect(done).toBe(false);
      await act();
      await settle();
      return done;
    };

    it.each(['ready', 'failed'] as const)('are waited for until each is %s', async (state) => {
      fleet.follow(tableOf(1, ['w1'], [workerRoute('w1'), workerRoute('w2')]));
      expect(
        await after(async () => {
          dialer.to('w1:1').become('ready');
          await settle();
          dialer.to('w2:1').become(state);
        }),
      ).toBe(true);
    });

    it('are waited for no longer than their bound', async () => {
      fleet.follow(tableOf(1, ['w1'], [workerRoute('w1')]));
      expect(await after(() => clock.advance(499))).toBe(false);
      expect(await after(() => clock.advance(1))).toBe(true);
    });

    it('are not waited for where nobody is new', async () => {
      await fleet.firstConnections(signal);
    });
  });
});
