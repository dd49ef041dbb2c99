import { models, Reason, workerService, type WorkerId } from '@bms/contracts';
import { OutcomeUnknownError, StoreUnavailableError, type Entry } from '@bms/metastore';
import { systemClock } from '../clock';
import { ObservedStream } from '../observed-stream.testkit';
import { RegistryCore } from '../registry-core.testkit';
import { Incoming } from '../streams/incoming';
import type { WorkerEntry } from '../watch/mesh-snapshot';
import { ReportTooLargeError } from './fit-report';
import type { WorkerFacts } from './worker-messages';
import { WorkerPresence } from './worker-presence';
import { WorkerSession, type StreamEnd, type WorkerObserver } from './worker-session';

let core: RegistryCore;
let troubles: unknown[];
let ends: StreamEnd[];
const sessions: ObservedStream<workerService.AttachRequest, workerService.AttachResponse>[] = [];

beforeEach(async () => {
  core = await RegistryCore.open();
  [troubles, ends] = [[], []];
});
afterEach(async () => {
  for (const session of sessions.splice(0)) {
    session.break();
    await session.ended();
  }
  await core.close();
});

const observer: WorkerObserver = {
  attached: () => undefined,
  draining: () => undefined,
  ended: (_, how) => ends.push(how),
  trouble: (_, error) => troubles.push(error),
};

function attach(incarnation = 'first') {
  const { store, keys, mesh, mirror, acknowledgements, gate } = core;
  const facts: WorkerFacts = {
    id: 'w1',
    incarnation,
    address: 'w1:8800',
    operationsAddress: '',
    host: 'w1',
    pid: 1,
    device: { provider: 'cpu', name: '', concurrentRuns: 1, kind: 'cpu', memoryBytes: 0 },
    startedAtMs: 1,
    bmsVersion: '0',
  };
  const session = new ObservedStream<workerService.AttachRequest, workerService.AttachResponse>(
    (requests, signal) =>
      new WorkerSession({
        facts,
        meshId: mesh.id,
        presence: new WorkerPresence({ store, keys, leaseTtlMs: 10_000 }),
        mirror,
        acknowledgements,
        clock: systemClock,
        incoming: new Incoming(requests),
        signal,
        registryId: 'r1',
        gate,
        observer,
      }).run(),
    () => undefined,
  );
  sessions.push(session);
  return session;
}

function report(generation: bigint): workerService.AttachRequest {
  return { kind: { $case: 'report', value: workerService.WorkerReport.create({ generation, memory: {} }) } };
}

const worker = (check: (entry: WorkerEntry) => boolean): Promise<WorkerEntry> =>
  core.until(({ workers }) => {
    const entry = workers.get('w1' as WorkerId);
    return entry !== undefined && check(entry) ? entry : undefined;
  });
const reported = (generation: number) => worker(({ reported: stored }) => stored?.record.generation === generation);
const entryOf = async (key: string): Promise<Entry> => {
  const [entry] = (await core.store.range({ key })).entries;
  if (entry === undefined) throw new Error(`no ${key}`);
  return entry;
};

describe('WorkerSession', () => {
  it('keeps record and report on one lease', async () => {
    const session = attach();
    session.send(report(3n));
    await reported(3);
    const [record, stored] = [await entryOf(core.keys.worker('w1')), await entryOf(core.keys.reported('w1'))];
    expect(record.leaseId).not.toBe(0n);
    expect(stored.leaseId).toBe(record.leaseId);
  });

  it('takes its place again, with what it last reported, when the lease was lost while the stream lives', async () => {
    const session = attach();
    session.send(report(3n));
    await reported(3);
    const before = await entryOf(core.keys.worker('w1'));
    await core.store.revokeLease(before.leaseId);
    await worker(({ worker: stored }) => stored !== undefined && stored.modRevision > before.modRevision);
    await reported(3);
    const after = await entryOf(core.keys.worker('w1'));
    expect(after.leaseId).not.toBe(before.leaseId);
    session.send(report(4n)); // and it goes on from there
    await reported(4);
    expect(session.outcome).toBeUndefined();
  });

  it('tries again as long as the store is away', async () => {
    const session = attach();
    await worker(({ worker: stored }) => stored !== undefined);
    core.faults.push(() => Promise.reject(new StoreUnavailableError('gone')));
    const before = await entryOf(core.keys.worker('w1'));
    await core.store.revokeLease(before.leaseId);
    await worker(({ worker: stored }) => stored !== undefined && stored.modRevision > before.modRevision);
    expect(troubles).toEqual([expect.any(StoreUnavailableError)]);
    expect(session.outcome).toBeUndefined();
  });

  it('says once that reports are too large to be kept, and goes on with the next one that fits', async () => {
    const session = attach();
    const replicas = Array.from({ length: 20_000 }, (_, at) =>
      models.ReplicaStatus.create({
        ref: { tenant: 'default', model: `model-${at}`, version: 1 },
        state: models.ReplicaState.READY,
      }),
    );
    for (const generation of [3n, 4n]) {
      const value = workerService.WorkerReport.create({ generation, replicas });
      session.send({ kind: { $case: 'report', value } });
    }
    session.send(report(5n));
    await reported(5);
    expect(troubles).toEqual([expect.any(ReportTooLargeError)]);
    expect(session.outcome).toBeUndefined();
  });

  it('is fenced by a newer stream: none of its writes takes effect any more', async () => {
    const first = attach();
    first.send(report(1n));
    await reported(1);
    const held = await entryOf(core.keys.worker('w1'));
    // The newer stream's transaction is in the store before the older one can know of it.
    core.faults.push(async (commit) => {
      attach();
      await core.until(({ workers }) => {
        const stored = workers.get('w1' as WorkerId)?.worker;
        return stored !== undefined && stored.modRevision > held.modRevision ? true : undefined;
      });
      return commit();
    });
    first.send(report(2n));
    expect(await first.ended()).toMatchObject({ reason: Reason.CONFLICT });
    const entry = await worker(() => true);
    expect(entry.reported?.record.generation).toBe(1); // of the same incarnation, so it was taken over
    expect(ends).toEqual(['taken over']);
  });

  it('drops what an earlier incarnation reported in the transaction that takes its place', async () => {
    const first = attach('first');
    first.send(report(1n));
    await reported(1);
    attach('second');
    const entry = await worker(({ worker: stored }) => stored?.record.incarnation === 'second');
    expect(entry.reported).toBeUndefined();
    expect(await first.ended()).toMatchObject({ reason: Reason.CONFLICT });
  });

  it('finds out whether a take-over happened whose outcome is unknown', async () => {
    core.faults.push(async (commit) => {
      await commit();
      throw new OutcomeUnknownError();
    });
    const session = attach();
    await session.until(() => session.received.find(({ kind }) => kind?.$case === 'desired'));
    const { modRevision, createRevision } = await entryOf(core.keys.worker('w1'));
    expect(modRevision).toBe(createRevision); // written once
    session.send(report(1n));
    await reported(1);
  });

  it('leaves its place to the lease when the stream breaks, and gives it up when it had said so', async () => {
    const first = attach();
    await worker(({ worker: stored }) => stored !== undefined);
    first.break();
    await worker(({ worker: stored }) => stored?.record.attached === false);
    const second = attach();
    await worker(({ worker: stored }) => stored?.record.attached === true);
    second.send({ kind: { $case: 'draining', value: { reason: 'SIGTERM' } } });
    await second.until(() => second.received.find(({ kind }) => kind?.$case === 'drainAcknowledged'));
    second.finish();
    await second.ended();
    await core.until(({ workers }) => (workers.get('w1' as WorkerId)?.worker === undefined ? true : undefined));
    expect(ends).toEqual(['broke', 'left']);
  });
});
