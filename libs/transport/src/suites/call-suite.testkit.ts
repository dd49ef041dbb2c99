import http2 from 'node:http2';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BmsError, Reason } from '@bms/contracts';
import { Metadata, type Channel, type ChannelOptions } from '../index';
import { bytes, ECHO, gate, loopback, messages, reached, stream, text, textsOf, unary } from './loopback.testkit';
import { mutePeer, peer, silentProcess, type Cleanups } from './odd-peers.testkit';
import type { TransportKit } from './transport-kit.testkit';

/** How every call to a server ends, or does not. */
export function callSuite(kit: TransportKit): void {
  describe(`a call over ${kit.name}`, () => tests(kit));
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

  describe('a call', () => {
    test('that nobody could take is CONNECTION_FAILED, and says why', async () => {
      const { port, close } = await loopback(kit, {});
      await close();
      await expect(channelTo(port).unary('/a.B/Echo', bytes(''))).rejects.toMatchObject({
        reason: Reason.CONNECTION_FAILED,
        message: `no connection to 127.0.0.1:${port} (ECONNREFUSED)`,
      });
    });

    test('to a name that is none is CONNECTION_FAILED', async () => {
      const channel = kit.channel('no-such-host.invalid:1');
      cleanups.push(() => channel.close());
      await expect(channel.unary('/a.B/Echo', bytes(''))).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });
    });

    test('to a peer that says nothing is CONNECTION_FAILED after the time to connect; the attempt is broken off, and others follow', async () => {
      const { port, open, speak } = await mutePeer(cleanups);
      const channel = channelTo(port, { connectTimeoutMs: 100, reconnectMinMs: 5 });
      await expect(channel.unary('/a.B/Echo', bytes(''))).rejects.toMatchObject({
        reason: Reason.CONNECTION_FAILED,
        message: `no connection to 127.0.0.1:${port} (ETIMEDOUT)`,
      });
      expect(channel.state).toBe('failed');
      await expect(channel.unary('/a.B/Echo', bytes(''))).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });
      speak();
      await reached(channel, 'ready');
      expect(open.size).toBe(1);
    });

    test('that ends a channel while it dials leaves no socket behind', async () => {
      const { port, open } = await mutePeer(cleanups);
      const channel = channelTo(port);
      channel.connect();
      while (open.size === 0) await nextTurn();
      channel.close();
      while (open.size > 0) await nextTurn();
      expect(channel.state).toBe('closed');
    });

    test('that waits for a connection waits no longer than its deadline', async () => {
      const { port } = await mutePeer(cleanups);
      const call = channelTo(port).unary('/a.B/Echo', bytes(''), { deadlineMs: Date.now() + 30 });
      await expect(call).rejects.toMatchObject({ reason: Reason.DEADLINE_EXCEEDED });
    });

    test('that was on a process when it was killed is WORKER_LOST, whatever its kind', async () => {
      const { child, port, nextCall } = await silentProcess(cleanups);
      const channel = channelTo(port);
      const trailers: Metadata[] = [];
      let called = nextCall();
      const one = channel.unary('/a.B/C', bytes(''), { onTrailers: (received) => trailers.push(received) });
      await called;
      called = nextCall();
      const many = textsOf(channel.stream('/a.B/C', messages('one')));
      await called;
      const lost = { reason: Reason.WORKER_LOST, message: expect.stringContaining(`127.0.0.1:${port}`) as string };
      const outcomes = Promise.all([expect(one).rejects.toMatchObject(lost), expect(many).rejects.toMatchObject(lost)]);
      child.kill('SIGKILL');
      await outcomes;
      expect(trailers).toHaveLength(1);
      expect(channel.state).toBe('failed');
    });

    test('on a process that stands still is WORKER_LOST once it does not answer a ping', async () => {
      const { child, port, nextCall } = await silentProcess(cleanups);
      const channel = channelTo(port, { keepaliveMs: 20, keepaliveTimeoutMs: 100 });
      const called = nextCall();
      const call = channel.unary('/a.B/C', bytes(''));
      const lost = expect(call).rejects.toMatchObject({ reason: Reason.WORKER_LOST });
      await called;
      child.kill('SIGSTOP');
      await lost;
    });

    test('that the peer refuses is CONNECTION_FAILED: it did nothing', async () => {
      const port = await peer(cleanups, (incoming) => incoming.close(http2.constants.NGHTTP2_REFUSED_STREAM));
      await expect(channelTo(port).unary('/a.B/C', bytes(''))).rejects.toMatchObject({
        reason: Reason.CONNECTION_FAILED,
      });
    });

    test('that a goodbye came before is CONNECTION_FAILED, and the one that was there first is answered', async () => {
      const first = gate<http2.ServerHttp2Stream>();
      const port = await peer(cleanups, (incoming, session) => {
        if (incoming.id === 1) return first.open(incoming);
        session.goaway(http2.constants.NGHTTP2_NO_ERROR, 1);
      });
      const channel = channelTo(port);
      const answered = channel.unary('/a.B/C', bytes(''));
      const incoming = await first.opened;
      await expect(channel.unary('/a.B/C', bytes(''))).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });
      incoming.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      incoming.on('wantTrailers', () => incoming.sendTrailers({ 'grpc-status': '0' }));
      incoming.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from('ok')]));
      expect(text(await answered)).toBe('ok');
    });

    test('that a foreign server fails keeps its code and sentence', async () => {
      const port = await peer(cleanups, (incoming) => {
        const headers = {
          ':status': 200,
          'content-type': 'application/grpc',
          'grpc-status': '14',
          'grpc-message': 'later',
        };
        incoming.respond(headers, { endStream: true });
      });
      await expect(channelTo(port).unary('/a.B/C', bytes(''))).rejects.toMatchObject({
        reason: Reason.NOT_READY,
        message: 'later',
      });
    });

    test('to something that does not speak gRPC is an error that says so', async () => {
      const port = await peer(cleanups, (incoming) => {
        incoming.respond({ ':status': 404, 'content-type': 'text/html' });
        incoming.end('<html>');
      });
      await expect(channelTo(port).unary('/a.B/C', bytes(''))).rejects.toMatchObject({
        reason: Reason.UNIMPLEMENTED,
        message: expect.stringContaining('404') as string,
      });
    });

    test('whose answer is over the limit is MESSAGE_TOO_LARGE', async () => {
      const mesh = await loopback(kit, { '/a.B/Echo': ECHO }, {}, { messageBytes: 1000 });
      cleanups.push(mesh.close);
      await expect(mesh.channel.unary('/a.B/Echo', Buffer.alloc(1001))).rejects.toMatchObject({
        reason: Reason.MESSAGE_TOO_LARGE,
        message: expect.stringContaining('1001 bytes is over the limit of 1000 bytes') as string,
      });
      expect((await mesh.channel.unary('/a.B/Echo', Buffer.alloc(1000))).byteLength).toBe(1000);
    });

    test('that answers twice, or not at all, where one answer is due is INTERNAL', async () => {
      const mesh = await loopback(kit, {
        '/a.B/Twice': stream(() => messages('one', 'two')),
        '/a.B/Never': stream(() => messages()),
      });
      cleanups.push(mesh.close);
      for (const path of ['/a.B/Twice', '/a.B/Never']) {
        await expect(mesh.channel.unary(path, bytes(''))).rejects.toMatchObject({ reason: Reason.INTERNAL });
      }
    });

    test('with metadata that no header can hold is refused before it is sent', async () => {
      const mesh = await loopback(kit, { '/a.B/Echo': ECHO });
      cleanups.push(mesh.close);
      const metadata = Metadata.from({ tenant: 'Zürich' });
      await expect(mesh.channel.unary('/a.B/Echo', bytes(''), { metadata })).rejects.toMatchObject({
        reason: Reason.INVALID_REQUEST,
        message: expect.stringContaining('tenant') as string,
      });
    });
  });

  describe('giving up', () => {
    test.each([
      ['before it is sent', true],
      ['while it runs', false],
    ])('a call %s is CANCELLED', async (_, early) => {
      const entered = gate();
      const mesh = await loopback(kit, {
        '/a.B/Hang': unary(async (request, { signal }) => {
          entered.open();
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          return request;
        }),
      });
      cleanups.push(mesh.close);
      const caller = new AbortController();
      if (early) caller.abort();
      const call = mesh.channel.unary('/a.B/Hang', bytes(''), { signal: caller.signal });
      const cancelled = expect(call).rejects.toMatchObject({ reason: Reason.CANCELLED });
      if (!early) {
        await entered.opened;
        caller.abort();
      }
      await cancelled;
    });

    test('by deadline is DEADLINE_EXCEEDED, also when it has passed already', async () => {
      const mesh = await loopback(kit, { '/a.B/Hang': unary(() => new Promise(() => {})) });
      cleanups.push(mesh.close);
      for (const deadlineMs of [Date.now() + 50, Date.now() - 1]) {
        await expect(mesh.channel.unary('/a.B/Hang', bytes(''), { deadlineMs })).rejects.toMatchObject({
          reason: Reason.DEADLINE_EXCEEDED,
          message: expect.stringContaining('/a.B/Hang') as string,
        });
      }
    });

    test('a deadline beyond what timers reach is none', async () => {
      const mesh = await loopback(kit, { '/a.B/Echo': ECHO });
      cleanups.push(mesh.close);
      const deadlineMs = Date.now() + 100 * 24 * 3600 * 1000;
      expect(text(await mesh.channel.unary('/a.B/Echo', bytes('hi'), { deadlineMs }))).toBe('hi');
    });

    test('the whole channel cancels what is in flight', async () => {
      const entered = gate();
      const mesh = await loopback(kit, {
        '/a.B/Hang': unary(() => {
          entered.open();
          return new Promise(() => {});
        }),
      });
      cleanups.push(mesh.close);
      const call = mesh.channel.unary('/a.B/Hang', bytes(''));
      const cancelled = expect(call).rejects.toBeInstanceOf(BmsError);
      await entered.opened;
      mesh.channel.close();
      await cancelled;
      await expect(call).rejects.toMatchObject({ reason: Reason.CANCELLED });
    });
  });
}
