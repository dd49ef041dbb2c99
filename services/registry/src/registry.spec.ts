import { models, Reason, workerService } from '@bms/contracts';
import { FakeRouter } from './fake-router.testkit';
import { FakeWorker } from './fake-worker.testkit';
import { ref, RunningRegistry } from './running-registry.testkit';

const { READY, LOADING, FAILED } = models.ReplicaState;
const { OFFLINE, DELETED } = models.VersionState;

let registry: RunningRegistry;
beforeEach(async () => {
  registry = await RunningRegistry.start({ 'lease-ttl-ms': '2000' });
});
afterEach(() => registry.close());

describe('the way of a version', () => {
  it('leads from push over workers and routes to activation', async () => {
    const router = new FakeRouter(registry, 'r1');
    const workers = ['w1', 'w2'].map((id) => new FakeWorker(registry, id, { obeying: false }));
    for (const worker of workers) {
      await worker.told();
      worker.report();
    }
    const number = await registry.push({ notes: 'the first' });
    expect(number).toBe(1n);
    await registry.publish(number);
    for (const worker of workers) await worker.told(1n);
    expect(workers[0]?.desiredSets.at(-1)?.versions[0]).toMatchObject({
      ref: { tenant: 'default', model: 'digits', version: 1n },
      artifact: { entry: 'model.onnx', files: [{ path: 'model.onnx' }] },
      signature: { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1n, 4n] }] },
    });

    workers[0]?.report([1n, LOADING]);
    await expect(
      registry.models.activateVersion({ ref: ref(1n), timeoutMs: 50n }, registry.trusted),
    ).rejects.toMatchObject({
      reason: Reason.NOT_READY,
      message: expect.stringContaining('default/digits@1 is not ready: w1') as string,
    });
    expect((await registry.model()).model?.activeVersion).toBe(0n);

    const waiting = registry.models.waitForVersion({ ref: ref(1n), timeoutMs: 0n });
    for (const worker of workers) worker.report([1n, READY]);
    expect((await waiting).replicas.map(({ workerId, status }) => [workerId, status?.state])).toEqual([
      ['w1', READY],
      ['w2', READY],
    ]);
    await router.routes(1n, 'w1', 'w2');

    const { model, previousVersion } = await registry.models.activateVersion(
      { ref: ref(1n), timeoutMs: 0n },
      registry.trusted,
    );
    expect(model).toMatchObject({ activeVersion: 1n, activations: [{ version: 1n, by: 'ann' }] });
    expect(previousVersion).toBe(0n);
    expect(router.route()?.activeVersion).toBe(1n); // acknowledged before the answer
  });

  it('leaves the routes before any worker is told to let go', async () => {
    const router = new FakeRouter(registry, 'r1');
    const worker = new FakeWorker(registry, 'w1');
    await registry.publish(await registry.push());
    await router.routes(1n, 'w1');
    router.acknowledging = false;
    const leaving = registry.setState(1n, OFFLINE);
    await router.routes(1n);
    expect(router.route()?.versions[0]).toMatchObject({ state: OFFLINE, readyWorkers: [] });
    // Placement goes on with another version, and the worker still holds this one: the router has not acknowledged.
    const publishing = registry.push().then((number) => registry.publish(number));
    await worker.told(1n, 2n);
    router.acknowledging = true;
    router.acknowledge();
    await worker.told(2n);
    await Promise.all([leaving, publishing]);
    await registry.setState(1n, DELETED);
    await registry.setState(1n, DELETED);
    await router.stream.until(() => (router.route()?.versions.length === 1 ? true : undefined));
    expect((await registry.model()).versions[0]?.version?.state).toBe(DELETED);
  });

  it('fails at once, with the reason, when no worker can load it', async () => {
    const worker = new FakeWorker(registry, 'w1', { obeying: false });
    worker.report();
    await registry.publish(await registry.push());
    await worker.told(1n);
    worker.report([1n, FAILED, 'this operator is not known']);
    await expect(registry.models.waitForVersion({ ref: ref(1n), timeoutMs: 60_000n })).rejects.toMatchObject({
      reason: Reason.NOT_READY,
      message: expect.stringContaining('it failed on w1: this operator is not known') as string,
    });
    const { versions } = await registry.model();
    expect(versions[0]).toMatchObject({
      replicas: [{ workerId: 'w1', status: { state: FAILED, reason: 'this operator is not known' } }],
      placementNote: '0 of 2 wanted: it failed on w1: this operator is not known; there is 1 worker',
    });
  });
});

describe('a restart of the registry', () => {
  it('keeps every model, version, label, desired set and live worker', async () => {
    const worker = new FakeWorker(registry, 'w1');
    await registry.publish(await registry.push());
    await registry.models.activateVersion({ ref: ref(1n), timeoutMs: 0n }, registry.trusted);
    await registry.models.setLabel({ ref: ref(1n), label: 'stable', timeoutMs: 0n }, registry.trusted);
    const before = { model: await registry.model(), status: await registry.status() };
    await registry.stop();
    expect(await worker.stream.ended()).toBeDefined();

    await registry.start();
    const after = { model: await registry.model(), status: await registry.status() };
    expect(after.model).toEqual(before.model);
    expect(after.status.meshId).toBe(before.status.meshId);
    const router = new FakeRouter(registry, 'r1');
    await router.routes(1n, 'w1'); // its lease lives, and what it reported counts until it says otherwise

    const again = new FakeWorker(registry, 'w1', { obeying: false });
    await again.told(1n);
    expect(again.desiredSets).toEqual(worker.desiredSets.slice(-1));
  });

  it('tells those who wait and those who are connected to go elsewhere', async () => {
    const worker = new FakeWorker(registry, 'w1', { obeying: false });
    const router = new FakeRouter(registry, 'r1');
    await worker.told();
    await router.stream.until(() => router.stream.received[0]);
    await registry.publish(await registry.push());
    const waiting = registry.models.waitForVersion({ ref: ref(1n), timeoutMs: 60_000n });
    const told = expect(waiting).rejects.toMatchObject({ reason: Reason.DRAINING });
    await registry.status(); // the wait has arrived before this answer
    const stopping = registry.stop();
    await told;
    expect(await worker.stream.ended()).toMatchObject({ reason: Reason.DRAINING });
    expect(await router.stream.ended()).toMatchObject({ reason: Reason.DRAINING });
    await stopping;
  });
});

describe('a worker', () => {
  it('that attaches again ends its older stream with CONFLICT', async () => {
    const first = new FakeWorker(registry, 'w1');
    await first.told();
    const second = new FakeWorker(registry, 'w1', { incarnation: 'second' });
    await second.told();
    expect(await first.stream.ended()).toMatchObject({ reason: Reason.CONFLICT });
    const { workers } = await registry.status();
    expect(workers).toMatchObject([{ workerId: 'w1', incarnation: 'second', attached: true }]);
  });

  it('of a new incarnation is routed to only once it says itself that it is ready', async () => {
    const router = new FakeRouter(registry, 'r1');
    const first = new FakeWorker(registry, 'w1');
    await registry.publish(await registry.push());
    await router.routes(1n, 'w1');
    const second = new FakeWorker(registry, 'w1', { incarnation: 'second', obeying: false });
    await router.routes(1n);
    expect(router.workers.get('w1')?.incarnation).toBe('second');
    await second.told(1n);
    second.report([1n, READY]);
    await router.routes(1n, 'w1');
    expect(await first.stream.ended()).toMatchObject({ reason: Reason.CONFLICT });
  });

  it('that comes back within its lease changes no route; one that does not is gone after it', async () => {
    const router = new FakeRouter(registry, 'r1');
    const first = new FakeWorker(registry, 'w1');
    await registry.publish(await registry.push());
    await router.routes(1n, 'w1');
    const { length } = router.stream.received;
    first.stream.break();
    const again = new FakeWorker(registry, 'w1', { obeying: false });
    await again.told(1n);
    again.report([1n, READY]);
    await registry.push(); // a change that the router is told of
    await router.stream.until(() => router.route()?.versions[1]);
    expect(router.stream.received.slice(length).map(({ kind }) => kind?.$case)).toEqual(['delta']);
    expect(router.ready(1n)).toEqual(['w1']);
    again.stream.break();
    await router.routes(1n);
    expect([...router.workers.keys()]).toEqual([]);
    expect((await registry.status()).workers).toEqual([]);
  });

  it('that drains leaves the routes, hears of it when the routers have acknowledged, and is gone when it ends', async () => {
    const router = new FakeRouter(registry, 'r1');
    const workers = ['w1', 'w2'].map((id) => new FakeWorker(registry, id));
    for (const worker of workers) await worker.told();
    await registry.publish(await registry.push());
    await router.routes(1n, 'w1', 'w2');
    router.acknowledging = false;
    const [first] = workers as [FakeWorker];
    first.drain();
    await router.routes(1n, 'w2');
    expect(first.drainAcknowledged).toBe(false);
    expect((await registry.status()).workers[0]).toMatchObject({ workerId: 'w1', draining: true });
    router.acknowledging = true;
    router.acknowledge();
    await first.stream.until(() => first.drainAcknowledged || undefined);
    first.stream.finish();
    expect(await first.stream.ended()).toBeUndefined();
    await router.stream.until(() => (router.workers.has('w1') ? undefined : true));
  });

  it('that says hello twice is refused', async () => {
    const worker = new FakeWorker(registry, 'w1', { obeying: false });
    await worker.told();
    const value = workerService.WorkerHello.create({ workerId: 'w1', incarnation: 'first', address: 'w1:1' });
    worker.stream.send({ kind: { $case: 'hello', value } });
    expect(await worker.stream.ended()).toMatchObject({
      reason: Reason.INVALID_REQUEST,
      message: 'hello: was sent already: it is the first message, once',
    });
  });

  it('whose id is no name is refused', async () => {
    const worker = new FakeWorker(registry, 'w/1', { obeying: false });
    expect(await worker.stream.ended()).toMatchObject({
      reason: Reason.INVALID_REQUEST,
      message: expect.stringContaining('hello.worker_id: "w/1" is not allowed') as string,
    });
  });
});
