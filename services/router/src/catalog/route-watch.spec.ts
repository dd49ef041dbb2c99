import { BmsError, CallMetadata, Reason, routeService } from '@bms/contracts';
import { MessageQueue, Metadata } from '@bms/transport';
import { FakeDialer, type FakeChannel } from '../fleet/fake-channel.testkit';
import { ManualClock, settle } from '../manual-clock.testkit';
import { Catalog } from './catalog';
import { RouteTable } from './route-table';
import { RouteWatch } from './route-watch';
import { routeSnapshot, workerRoute } from './routes.testkit';

const { WatchRoutesRequest, WatchRoutesResponse, RouteDelta } = routeService;
type Response = routeService.WatchRoutesResponse;

/** One stream as the registry sees it. */
class ScriptedStream {
  readonly received: routeService.WatchRoutesRequest[] = [];
  private readonly answers = new MessageQueue<Uint8Array>();
  metadata: Metadata | undefined;
  private failure: BmsError | undefined;

  constructor(channel: FakeChannel) {
    const { received, answers } = this;
    const failureNow = (): BmsError | undefined => this.failure;
    channel.streamed = async function* (requests, options) {
      void (async () => {
        for await (const bytes of requests) received.push(WatchRoutesRequest.decode(bytes));
      })();
      options.signal?.addEventListener('abort', () => answers.close());
      for await (const answer of answers) yield answer;
      const failure = failureNow();
      if (failure !== undefined) throw failure;
    };
  }

  send(message: Response): void {
    this.answers.push(WatchRoutesResponse.encode(message).finish());
  }

  end(failure?: BmsError): void {
    this.failure = failure;
    this.answers.close();
  }

  get acknowledged(): bigint[] {
    return this.received.flatMap(({ kind }) => (kind?.$case === 'acknowledgement' ? [kind.value.revision] : []));
  }

  get totals(): number {
    return this.received.filter(({ kind }) => kind?.$case === 'totals').length;
  }
}

const snapshot = (revision: number, meshId = 'mesh-1', epoch = 0n): Response => ({
  kind: { $case: 'snapshot', value: routeSnapshot(revision, [], [workerRoute('w1')], meshId, epoch) },
});
const delta = (revision: bigint): Response => ({
  kind: { $case: 'delta', value: RouteDelta.create({ revision, workers: [workerRoute(`w${revision}`)] }) },
});

describe('RouteWatch', () => {
  let clock: ManualClock;
  let dialer: FakeDialer;
  let streams: ScriptedStream[];
  let catalog: Catalog;
  let abort: AbortController;
  let ended: Promise<void>;
  let connected: () => Promise<void>;
  const observer = {
    following: jest.fn(),
    lost: jest.fn(),
    foreignMesh: jest.fn(),
    behind: jest.fn(),
  };

  beforeEach(() => {
    jest.clearAllMocks();
    clock = new ManualClock();
    dialer = new FakeDialer();
    streams = [];
    dialer.onDial = (channel) => streams.push(new ScriptedStream(channel));
    catalog = new Catalog();
    abort = new AbortController();
    connected = async () => {};
  });
  afterEach(async () => {
    abort.abort();
    await ended;
    expect(clock.pendingTimers).toBe(0);
  });

  const start = async (registries = ['r1:1']): Promise<ScriptedStream> => {
    const watch = new RouteWatch({
      registries,
      dial: dialer.dial,
      metadata: Metadata.from({ [CallMetadata.authorization]: 'Bearer x' }),
      identity: { routerId: 'router-1', incarnation: 'i-1', address: 'a:1', operationsAddress: 'a:2', pid: 7n },
      catalog,
      connected: () => connected(),
      totals: () => ({ versions: [] }),
      clock,
      random: () => 0,
      observer,
    });
    ended = watch.run(abort.signal);
    await settle();
    return streams[0] as ScriptedStream;
  };
  const held = (): bigint | undefined => catalog.current?.revision;

  it('says hello first, with what it holds', async () => {
    catalog.replace(RouteTable.of(routeSnapshot(4, [], [])));
    const stream = await start();
    expect(stream.received[0]?.kind).toEqual({
      $case: 'hello',
      value: {
        routerId: 'router-1',
        incarnation: 'i-1',
        address: 'a:1',
        operationsAddress: 'a:2',
        pid: 7n,
        meshId: 'mesh-1',
        epoch: 0n,
        revision: 4n,
      },
    });
  });

  it('takes the snapshot and each delta into use at once, and acknowledges them', async () => {
    const stream = await start();
    stream.send(snapshot(5));
    await settle();
    expect([held(), stream.acknowledged]).toEqual([5n, [5n]]);
    expect(observer.following).toHaveBeenCalledWith('r1:1', 5n);
    stream.send(delta(6n));
    await settle();
    expect([held(), stream.acknowledged]).toEqual([6n, [5n, 6n]]);
    expect([...(catalog.current?.workers.keys() ?? [])]).toEqual(['w1', 'w6']);
  });

  it('acknowledges what it holds when it is told, instead of a snapshot, that nothing has changed', async () => {
    catalog.replace(RouteTable.of(routeSnapshot(5, [], [workerRoute('w1')])));
    const stream = await start();
    stream.send({ kind: { $case: 'delta', value: RouteDelta.create({ revision: 5n }) } });
    await settle();
    expect([held(), stream.acknowledged, observer.lost.mock.calls]).toEqual([5n, [5n], []]);
    stream.send(delta(6n));
    await settle();
    expect([...(catalog.current?.workers.keys() ?? [])]).toEqual(['w1', 'w6']);
  });

  it('acknowledges only once new workers are connected, and then the latest revision', async () => {
    const stream = await start();
    stream.send(snapshot(5));
    await settle();
    let connect = (): void => {};
    connected = () => new Promise((resolve) => (connect = resolve));
    stream.send(delta(6n));
    await settle();
    expect([held(), stream.acknowledged]).toEqual([6n, [5n]]);
    connect();
    await settle();
    expect(stream.acknowledged).toEqual([5n, 6n]);
  });

  it('tells its totals at once and every second', async () => {
    const stream = await start();
    expect(stream.totals).toBe(1);
    await clock.advance(3_000);
    expect(stream.totals).toBe(4);
  });

  it('keeps the routes when the registry is lost, and asks the next one at once', async () => {
    const stream = await start(['r1:1', 'r2:1']);
    stream.send(snapshot(5));
    await settle();
    stream.end(new BmsError(Reason.WORKER_LOST, 'gone'));
    await settle();
    expect(held()).toBe(5n);
    expect(observer.lost).toHaveBeenCalledWith('r1:1', expect.objectContaining({ message: 'gone' }), 1);
    expect(dialer.channels.map(({ address, state }) => [address, state])).toEqual([
      ['r1:1', 'closed'],
      ['r2:1', 'idle'],
    ]);
    streams[1]?.send(snapshot(7));
    await settle();
    expect([held(), streams[1]?.acknowledged]).toEqual([7n, [7n]]);
  });

  it('asks again ever more slowly while nobody answers, and at the first pace after someone did', async () => {
    let stream = await start();
    const pauses: number[] = [];
    for (let round = 0; round < 7; round++) {
      const startMs = clock.monotonicMs();
      const before = streams.length;
      stream.end(new BmsError(Reason.CONNECTION_FAILED, 'nobody there'));
      await settle();
      while (streams.length === before) await clock.advance(10);
      pauses.push(clock.monotonicMs() - startMs);
      stream = streams.at(-1) as ScriptedStream;
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000]);
    stream.send(snapshot(5));
    await settle();
    stream.end();
    await clock.advance(100);
    expect(streams).toHaveLength(9);
  });

  it('pauses only when all registries have been asked in vain', async () => {
    await start(['r1:1', 'r2:1', 'r3:1']);
    for (let round = 1; round <= 2; round++) {
      for (let one = 1; one <= 3; one++) {
        expect(streams).toHaveLength(3 * (round - 1) + one);
        streams.at(-1)?.end(new BmsError(Reason.STORE_IN_DOUBT, 'the store went back'));
        await settle();
      }
      await clock.advance(round * 100 - 1);
      expect(streams).toHaveLength(3 * round);
      await clock.advance(1);
    }
    expect(dialer.channels.map(({ address }) => address).slice(0, 4)).toEqual(['r1:1', 'r2:1', 'r3:1', 'r1:1']);
  });

  it('does not follow a registry of another mesh, and says so', async () => {
    catalog.replace(RouteTable.of(routeSnapshot(4, [], [workerRoute('mine')])));
    const stream = await start();
    stream.send(snapshot(50, 'mesh-2'));
    await settle();
    expect(held()).toBe(4n);
    expect(observer.foreignMesh).toHaveBeenCalledWith('r1:1', 'mesh-2', 'mesh-1');
    expect(stream.acknowledged).toEqual([]);
    expect(dialer.channels[0]?.state).toBe('closed');
  });

  it('does not go back to an older revision, however long the registries stay there', async () => {
    catalog.replace(RouteTable.of(routeSnapshot(9, [], [])));
    await start();
    for (let second = 0; second < 60; second++) {
      streams.at(-1)?.send(snapshot(3));
      await clock.advance(1_000);
    }
    expect(observer.behind).toHaveBeenCalledWith('r1:1', 3n, 9n);
    expect(held()).toBe(9n);
  });

  it('goes back where a person has taken the restored store as it is', async () => {
    catalog.replace(RouteTable.of(routeSnapshot(9, [], [])));
    const stream = await start();
    stream.send(snapshot(3, 'mesh-1', 1n));
    await settle();
    expect([held(), catalog.current?.epoch]).toEqual([3n, 1n]);
    expect(stream.acknowledged).toEqual([3n]);
  });

  it('ends at once when it is told to', async () => {
    await start();
    abort.abort();
    await ended;
    expect(dialer.channels[0]?.state).toBe('closed');
    expect(observer.lost).not.toHaveBeenCalled();
  });
});
