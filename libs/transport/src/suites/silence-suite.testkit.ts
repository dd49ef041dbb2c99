import { BmsError, Reason } from '@bms/contracts';
import { FaultProxy } from '../fault-proxy.testkit';
import { bytes, ECHO, gate, reached, stream, text } from './loopback.testkit';
import type { ChannelOptions, ServerOptions } from '../index';
import type { TransportKit } from './transport-kit.testkit';

/** How every transport notices that nothing comes any more. */
export function silenceSuite(kit: TransportKit): void {
  describe(`a silent peer over ${kit.name}`, () => silenceTests(kit));
}

function silenceTests(kit: TransportKit): void {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const FAST = {
    keepaliveMs: 50,
    idleKeepaliveMs: 100,
    keepaliveTimeoutMs: 200,
    reconnectMinMs: 5,
    connectTimeoutMs: 200,
  };

  /** A server behind a proxy, and a channel through it. */
  async function behindProxy(channelOptions: ChannelOptions, serverOptions: ServerOptions = {}) {
    const held = gate<AbortSignal>();
    const hang = stream(async function* (_, { signal }) {
      held.open(signal);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      yield* [];
    });
    const server = kit.server(
      new Map([
        ['/a.B/Echo', ECHO],
        ['/a.B/Hang', hang],
      ]),
      serverOptions,
    );
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    const proxy = await FaultProxy.start(`127.0.0.1:${port}`);
    const channel = kit.channel(proxy.address, channelOptions);
    cleanups.push(
      () => server.close(),
      () => proxy.close(),
      () => channel.close(),
    );
    const hanging = async (): Promise<unknown> => {
      for await (const answer of channel.stream('/a.B/Hang', (async function* () {})())) return answer;
      return undefined;
    };
    return { proxy, channel, hanging, held: held.opened };
  }

  describe('a connection that nothing comes through any more', () => {
    test.each([
      ['in both directions', [] as const],
      ['towards the client', ['to-client'] as const],
      ['towards the server', ['to-server'] as const],
    ])('%s fails its calls with WORKER_LOST, and is there again once the network is', async (_, directions) => {
      const { proxy, channel, hanging, held } = await behindProxy(FAST);
      const lost = expect(hanging()).rejects.toMatchObject({ reason: Reason.WORKER_LOST });
      await held;
      proxy.stall(...directions);
      await lost;
      expect(channel.state).toBe('failed');
      proxy.resume();
      await reached(channel, 'ready');
      expect(text(await channel.unary('/a.B/Echo', bytes('back')))).toBe('back');
    });

    test('is noticed while it is idle, too', async () => {
      const { proxy, channel } = await behindProxy(FAST);
      await channel.unary('/a.B/Echo', bytes(''));
      const failed = reached(channel, 'failed');
      proxy.stall();
      await failed;
    });

    test('is noticed by the server, which aborts its calls', async () => {
      const { proxy, hanging, held } = await behindProxy({ keepaliveTimeoutMs: 60_000 }, { callerTimeoutMs: 200 });
      void hanging().catch(() => {});
      const signal = await held;
      const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      proxy.stall('to-server');
      await aborted;
      expect(BmsError.is(signal.reason, Reason.CANCELLED)).toBe(true);
    });
  });

  test('a connection that is slow, but through which something comes, lasts', async () => {
    const { proxy, channel, hanging, held } = await behindProxy(FAST);
    let over = false;
    void hanging().then(
      () => (over = true),
      () => (over = true),
    );
    await held;
    proxy.delay(50);
    for (let round = 0; round < 5; round++) expect(text(await channel.unary('/a.B/Echo', bytes('slow')))).toBe('slow');
    expect(over).toBe(false);
  });
}
