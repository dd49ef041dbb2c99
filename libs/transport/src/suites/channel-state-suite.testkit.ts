import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { Reason } from '@bms/contracts';
import { type Channel, type ChannelOptions, type ChannelState, type Server } from '../index';
import { bytes, ECHO, gate, loopback, reached, text } from './loopback.testkit';
import { silentProcess, type Cleanups } from './odd-peers.testkit';
import type { TransportKit } from './transport-kit.testkit';

/** How every channel makes its connection, and makes it again. */
export function channelStateSuite(kit: TransportKit): void {
  describe(`a channel over ${kit.name}`, () => tests(kit));
}

function tests(kit: TransportKit): void {
  const cleanups: Cleanups = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  function channelTo(port: number, options?: ChannelOptions): Channel {
    const channel = kit.channel(`127.0.0.1:${port}`, options);
    cleanups.push(() => channel.close());
    return channel;
  }

  async function serverOn(port: number): Promise<Server> {
    const server = kit.server(new Map([['/a.B/Echo', ECHO]]));
    await server.listen({ host: '127.0.0.1', port });
    cleanups.push(() => server.close());
    return server;
  }

  describe('the state of a channel', () => {
    test('goes from idle over connecting to ready, and a call connects, too', async () => {
      const { server, channel, close } = await loopback(kit, { '/a.B/Echo': ECHO });
      cleanups.push(close);
      const states: ChannelState[] = [];
      channel.onStateChange((state) => states.push(state));
      expect(channel.state).toBe('idle');
      expect(text(await channel.unary('/a.B/Echo', bytes('hi')))).toBe('hi');
      expect(states).toEqual(['connecting', 'ready']);
      channel.close();
      expect(states).toEqual(['connecting', 'ready', 'closed']);
      await expect(channel.unary('/a.B/Echo', bytes(''))).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });
      await server.close();
    });

    test('is told no more to a listener that has left', async () => {
      const { channel, close } = await loopback(kit, { '/a.B/Echo': ECHO });
      cleanups.push(close);
      const states: ChannelState[] = [];
      const leave = channel.onStateChange((state) => states.push(state));
      leave();
      await channel.unary('/a.B/Echo', bytes(''));
      expect(states).toEqual([]);
    });

    test('is failed while nobody listens, and ready without a call once somebody does', async () => {
      const { port, close } = await loopback(kit, {});
      await close();
      const channel = channelTo(port, { reconnectMinMs: 5, reconnectMaxMs: 20 });
      channel.connect();
      expect(channel.state).toBe('connecting');
      await reached(channel, 'failed');
      await expect(channel.unary('/a.B/Echo', bytes(''))).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });
      await serverOn(port);
      await reached(channel, 'ready');
      expect(text(await channel.unary('/a.B/Echo', bytes('back')))).toBe('back');
    });

    test('says within milliseconds that the peer was killed, also when no call is in flight', async () => {
      const { child, port } = await silentProcess(cleanups);
      const channel = channelTo(port);
      channel.connect();
      await reached(channel, 'ready');
      const broken = reached(channel, 'failed').then(() => performance.now());
      const exited = once(child, 'exit').then(() => performance.now());
      child.kill('SIGKILL');
      expect((await broken) - (await exited)).toBeLessThan(500);
    });

    test('comes back by itself after a break', async () => {
      const first = await loopback(kit, { '/a.B/Echo': ECHO });
      const channel = channelTo(first.port, { reconnectMinMs: 5, reconnectMaxMs: 20 });
      channel.connect();
      await reached(channel, 'ready');
      await first.close();
      await reached(channel, 'failed');
      await serverOn(first.port);
      await reached(channel, 'ready');
      expect(text(await channel.unary('/a.B/Echo', bytes('again')))).toBe('again');
    });

    test('pauses longer and longer between attempts', async () => {
      let attempts = 0;
      const dropping = net.createServer((socket) => {
        attempts += 1;
        socket.destroy();
      });
      dropping.listen(0, '127.0.0.1');
      await once(dropping, 'listening');
      cleanups.push(() => dropping.close());
      const begun = performance.now();
      const times: number[] = [];
      const enough = gate();
      dropping.on('connection', () => {
        times.push(performance.now() - begun);
        if (attempts === 5) enough.open();
      });
      const { port } = dropping.address() as AddressInfo;
      const channel = channelTo(port, { reconnectMinMs: 10, reconnectMaxMs: 1000, random: () => 0 });
      channel.connect();
      await enough.opened;
      // 10 + 16 + 25.6 + 41
      expect(times[4]).toBeGreaterThanOrEqual(85);
    });
  });
}
