import { once } from 'node:events';
import { BmsError, models, Reason, workerService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { ManualClock, settled } from '../manual-clock.testkit';
import { FakeRegistry } from './fake-registry.testkit';
import { reconnectDelayMs } from './reconnect-delay';
import { RegistryLink, type LinkEvent } from './registry-link';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function registry(): Promise<{ registry: FakeRegistry; address: string }> {
  const started = new FakeRegistry();
  const address = await started.start();
  open.push({ close: () => started.stop() });
  return { registry: started, address };
}

function linkTo(addresses: readonly string[]) {
  const clock = new ManualClock();
  const events: LinkEvent[] = [];
  const desired: bigint[] = [];
  const memory = { totalBytes: 1_000n, freeBytes: 900n, residentBytes: 100n };
  const report = { generation: 0n, replicas: [] as models.ReplicaStatus[], memory };
  const link = new RegistryLink({
    addresses,
    dial: (address) => new GrpcChannel(address),
    token: 'secret',
    hello: workerService.WorkerHello.create({ workerId: 'worker-1', incarnation: 'first', address: '127.0.0.1:8800' }),
    report: () => workerService.WorkerReport.create({ ...report, memory: { ...memory } }),
    applyDesired: ({ generation }) => {
      desired.push(generation);
      report.generation = generation;
      link.changed();
    },
    clock,
    random: () => 0,
    say: (event) => events.push(event),
  });
  open.push(link);
  link.start();
  return { link, clock, events, desired, report, memory };
}

/** Moves the clock whenever the link rests before its next attempt, until `done` resolves. */
async function whileTryingAgain<T>(clock: ManualClock, done: Promise<T>): Promise<T> {
  let waiting = true;
  void done.finally(() => (waiting = false));
  while (waiting) await clock.advance(100);
  return done;
}

describe('RegistryLink', () => {
  it('says hello with the token, reports once attached, and applies what is desired', async () => {
    const { registry: fake, address } = await registry();
    const { link, desired, report } = linkTo([address]);
    const attachment = await fake.nextAttachment();
    expect(attachment.authorization).toBe('Bearer secret');
    expect(await attachment.hello()).toMatchObject({ workerId: 'worker-1', incarnation: 'first' });
    expect(link.attached).toBe(false);
    attachment.attached();
    expect(await attachment.report()).toMatchObject({ generation: 0n, memory: { freeBytes: 900n } });
    expect(link.attached).toBe(true);
    attachment.desire(3n);
    await attachment.report(({ generation }) => generation === 3n);
    expect(desired).toEqual([3n]);
    report.replicas = [models.ReplicaStatus.create({ state: models.ReplicaState.FAILED, reason: 'no model' })];
    link.changed();
    link.changed();
    await attachment.report(({ replicas }) => replicas[0]?.reason === 'no model');
    expect(attachment.received).toHaveLength(4); // two changes of one turn made one report
  });

  it('reports memory by itself when it has changed by more than a twentieth', async () => {
    const { registry: fake, address } = await registry();
    const { clock, memory } = linkTo([address]);
    const attachment = await fake.nextAttachment();
    attachment.attached();
    await attachment.report();
    memory.freeBytes = 860n;
    await clock.advance(5_000);
    memory.freeBytes = 840n;
    await clock.advance(5_000);
    const reported = await attachment.report(({ memory: told }) => told?.freeBytes !== 900n);
    expect(reported.memory?.freeBytes).toBe(840n);
  });

  it('attaches to the next registry when one vanishes, and goes on trying until one is there', async () => {
    const [one, other] = [await registry(), await registry()];
    const { link, clock, events } = linkTo([one.address, other.address]);
    const first = await one.registry.nextAttachment();
    first.attached();
    await first.report();
    await other.registry.stop();
    await one.registry.stop();
    while (link.attached) await settled();
    await clock.advance(10_000);
    expect(events.filter(({ kind }) => kind === 'detached').length).toBeGreaterThan(2);
    await other.registry.start(Number(other.address.split(':')[1]));
    const second = await whileTryingAgain(clock, other.registry.nextAttachment());
    second.attached();
    expect(await second.hello()).toMatchObject({ incarnation: 'first' });
    await second.report();
    expect(link.attached).toBe(true);
  });

  it('refuses a registry of another mesh, says so, and tries the next', async () => {
    const [one, other] = [await registry(), await registry()];
    const { clock, events, desired } = linkTo([one.address, other.address]);
    const first = await one.registry.nextAttachment();
    first.attached('mesh-1');
    await first.report();
    await one.registry.stop();
    const foreign = await whileTryingAgain(clock, other.registry.nextAttachment());
    foreign.attached('mesh-2');
    foreign.desire(9n);
    if (!foreign.ended) await once(foreign.events, 'end');
    expect(desired).toEqual([]);
    const last = events.at(-1);
    expect(last?.kind === 'detached' && last.error.message).toContain('belongs to the mesh mesh-2');
  });

  it('asks to be drained and waits until no router sends any more; what is desired meanwhile is ignored', async () => {
    const { registry: fake, address } = await registry();
    const { link, desired } = linkTo([address]);
    const attachment = await fake.nextAttachment();
    attachment.attached();
    await attachment.report();
    const drained = link.drain('SIGTERM', new AbortController().signal);
    const asked = await attachment.receive(({ kind }) => (kind?.$case === 'draining' ? kind.value : undefined));
    expect(asked.reason).toBe('SIGTERM');
    attachment.desire(9n);
    attachment.send({ $case: 'drainAcknowledged', value: {} });
    await drained;
    expect(desired).toEqual([]);
  });

  it('asks again where the stream breaks before the answer', async () => {
    const [one, other] = [await registry(), await registry()];
    const { link, clock } = linkTo([one.address, other.address]);
    const first = await one.registry.nextAttachment();
    first.attached();
    await first.report();
    const drained = link.drain('SIGTERM', new AbortController().signal);
    await first.receive(({ kind }) => (kind?.$case === 'draining' ? true : undefined));
    await one.registry.stop();
    const second = await whileTryingAgain(clock, other.registry.nextAttachment());
    second.attached();
    await second.receive(({ kind }) => (kind?.$case === 'draining' ? true : undefined));
    second.send({ $case: 'drainAcknowledged', value: {} });
    await drained;
  });

  it.each([
    ['6 s for an answer', true, 6_000],
    ['half a second where no registry is attached', false, 500],
  ])('waits at most %s', async (_, attach, boundMs) => {
    const { registry: fake, address } = await registry();
    const { link, clock } = linkTo([address]);
    const attachment = await fake.nextAttachment();
    if (attach) {
      attachment.attached();
      await attachment.report();
    }
    let over = false;
    const drained = link.drain('SIGTERM', new AbortController().signal).then(() => (over = true));
    await clock.advance(boundMs - 1);
    expect(over).toBe(false);
    await clock.advance(1);
    await drained;
  });

  it('leaves its place for a while to another worker with its id, and says so', async () => {
    const { registry: fake, address } = await registry();
    const { link, clock, events } = linkTo([address]);
    const attachment = await fake.nextAttachment();
    attachment.attached();
    await attachment.report();
    attachment.fail(new BmsError(Reason.CONFLICT, 'worker worker-1 has attached again'));
    while (link.attached || events.length < 2) await settled();
    const last = events.at(-1);
    expect(last?.kind === 'detached' && last.error.message).toContain('another worker runs with the id worker-1');
    await clock.advance(999);
    expect(fake.attachments).toHaveLength(1);
    await clock.advance(1);
    (await fake.nextAttachment()).attached();
  });

  it('says so, and tries again, when the registry ends the stream', async () => {
    const { registry: fake, address } = await registry();
    const { clock, events } = linkTo([address]);
    const attachment = await fake.nextAttachment();
    attachment.responses.close();
    await whileTryingAgain(clock, fake.nextAttachment());
    const [first] = events;
    expect(first?.kind === 'detached' && BmsError.is(first.error, Reason.CONNECTION_FAILED)).toBe(true);
    expect(first?.kind === 'detached' && first.error.message).toBe('the registry ended the stream');
  });
});

describe('reconnectDelayMs', () => {
  it('begins at 50 ms, doubles up to 1 s, and is spread downwards by up to a half', () => {
    expect([1, 2, 3, 6, 60].map((failures) => reconnectDelayMs(failures, () => 0))).toEqual([
      50, 100, 200, 1_000, 1_000,
    ]);
    expect(reconnectDelayMs(1, () => 1)).toBe(25);
  });
});
