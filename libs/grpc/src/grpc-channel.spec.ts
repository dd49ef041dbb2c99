import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BmsError, Reason } from '@bms/contracts';
import { Metadata, type ChannelState } from '@bms/transport';
import { GrpcChannel, type GrpcChannelOptions } from './grpc-channel';
import { GrpcServer } from './grpc-server';
import { bytes, ECHO, gate, loopback, messages, reached, stream, text, textsOf, unary } from './loopback.fixture';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function channelTo(port: number, options?: GrpcChannelOptions): GrpcChannel {
  const channel = new GrpcChannel(`127.0.0.1:${port}`, options);
  cleanups.push(() => channel.close());
  return channel;
}

async function serverOn(port: number): Promise<GrpcServer> {
  const server = new GrpcServer(new Map([['/a.B/Echo', ECHO]]));
  await server.listen({ host: '127.0.0.1', port });
  cleanups.push(() => server.close());
  return server;
}

/** A process that takes calls and never answers them; says `call` for each. */
async function silentProcess(): Promise<{ child: ChildProcess; port: number; nextCall: () => Promise<unknown> }> {
  const program = `
    const server = require('node:http2').createServer();
    server.on('stream', () => console.log('call'));
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  `;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => child.kill('SIGKILL'));
  const said = (): Promise<unknown[]> => once(child.stdout, 'data');
  return { child, port: Number(String((await said())[0])), nextCall: said };
}

/** A peer of which a test decides each answer. */
async function peer(onStream: (stream: http2.ServerHttp2Stream, session: http2.Http2Session) => void): Promise<number> {
  const server = http2.createServer();
  const sessions = new Set<http2.Http2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (incoming) => {
    incoming.on('error', () => {});
    if (incoming.session !== undefined) onStream(incoming, incoming.session);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A peer that takes connections and says nothing, until `speak` lets the next ones talk HTTP/2. */
async function mutePeer(): Promise<{ port: number; open: Set<net.Socket>; speak: () => void }> {
  const open = new Set<net.Socket>();
  const speaker = http2.createServer();
  let speaks = false;
  const listener = net.createServer((socket) => {
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    open.add(socket);
    if (speaks) speaker.emit('connection', socket);
    else socket.resume();
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  cleanups.push(() => {
    for (const socket of open) socket.destroy();
    listener.close();
  });
  return { port: (listener.address() as AddressInfo).port, open, speak: () => (speaks = true) };
}

describe('the state of a channel', () => {
  test('goes from idle over connecting to ready, and a call connects, too', async () => {
    const { server, channel, close } = await loopback({ '/a.B/Echo': ECHO });
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
    const { channel, close } = await loopback({ '/a.B/Echo': ECHO });
    cleanups.push(close);
    const states: ChannelState[] = [];
    const leave = channel.onStateChange((state) => states.push(state));
    leave();
    await channel.unary('/a.B/Echo', bytes(''));
    expect(states).toEqual([]);
  });

  test('is failed while nobody listens, and ready without a call once somebody does', async () => {
    const { port, close } = await loopback({});
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
    const { child, port } = await silentProcess();
    const channel = channelTo(port);
    channel.connect();
    await reached(channel, 'ready');
    const broken = reached(channel, 'failed').then(() => performance.now());
    const exited = once(child, 'exit').then(() => performance.now());
    child.kill('SIGKILL');
    expect((await broken) - (await exited)).toBeLessThan(500);
  });

  test('comes back by itself after a break', async () => {
    const first = await loopback({ '/a.B/Echo': ECHO });
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

describe('a call', () => {
  test('that nobody could take is CONNECTION_FAILED, and says why', async () => {
    const { port, close } = await loopback({});
    await close();
    await expect(channelTo(port).unary('/a.B/Echo', bytes(''))).rejects.toMatchObject({
      reason: Reason.CONNECTION_FAILED,
      message: `no connection to 127.0.0.1:${port} (ECONNREFUSED)`,
    });
  });

  test('to a name that is none is CONNECTION_FAILED', async () => {
    const channel = new GrpcChannel('no-such-host.invalid:1');
    cleanups.push(() => channel.close());
    await expect(channel.unary('/a.B/Echo', bytes(''))).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });
  });

  test('to a peer that says nothing is CONNECTION_FAILED after the time to connect; the attempt is broken off, and others follow', async () => {
    const { port, open, speak } = await mutePeer();
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
    const { port, open } = await mutePeer();
    const channel = channelTo(port);
    channel.connect();
    while (open.size === 0) await nextTurn();
    channel.close();
    while (open.size > 0) await nextTurn();
    expect(channel.state).toBe('closed');
  });

  test('that waits for a connection waits no longer than its deadline', async () => {
    const { port } = await mutePeer();
    const call = channelTo(port).unary('/a.B/Echo', bytes(''), { deadlineMs: Date.now() + 30 });
    await expect(call).rejects.toMatchObject({ reason: Reason.DEADLINE_EXCEEDED });
  });

  test('that was on a process when it was killed is WORKER_LOST, whatever its kind', async () => {
    const { child, port, nextCall } = await silentProcess();
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
    const { child, port, nextCall } = await silentProcess();
    const channel = channelTo(port, { keepaliveMs: 20, keepaliveTimeoutMs: 100 });
    const called = nextCall();
    const call = channel.unary('/a.B/C', bytes(''));
    const lost = expect(call).rejects.toMatchObject({ reason: Reason.WORKER_LOST });
    await called;
    child.kill('SIGSTOP');
    await lost;
  });

  test('that the peer refuses is CONNECTION_FAILED: it did nothing', async () => {
    const port = await peer((incoming) => incoming.close(http2.constants.NGHTTP2_REFUSED_STREAM));
    await expect(channelTo(port).unary('/a.B/C', bytes(''))).rejects.toMatchObject({
      reason: Reason.CONNECTION_FAILED,
    });
  });

  test('that a goodbye came before is CONNECTION_FAILED, and the one that was there first is answered', async () => {
    const first = gate<http2.ServerHttp2Stream>();
    const port = await peer((incoming, session) => {
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
    const port = await peer((incoming) => {
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
    const port = await peer((incoming) => {
      incoming.respond({ ':status': 404, 'content-type': 'text/html' });
      incoming.end('<html>');
    });
    await expect(channelTo(port).unary('/a.B/C', bytes(''))).rejects.toMatchObject({
      reason: Reason.UNIMPLEMENTED,
      message: expect.stringContaining('404') as string,
    });
  });

  test('whose answer is over the limit is MESSAGE_TOO_LARGE', async () => {
    const mesh = await loopback({ '/a.B/Echo': ECHO }, {}, { messageBytes: 1000 });
    cleanups.push(mesh.close);
    await expect(mesh.channel.unary('/a.B/Echo', Buffer.alloc(1001))).rejects.toMatchObject({
      reason: Reason.MESSAGE_TOO_LARGE,
      message: expect.stringContaining('1001 bytes is over the limit of 1000 bytes') as string,
    });
    expect((await mesh.channel.unary('/a.B/Echo', Buffer.alloc(1000))).byteLength).toBe(1000);
  });

  test('that answers twice, or not at all, where one answer is due is INTERNAL', async () => {
    const mesh = await loopback({
      '/a.B/Twice': stream(() => messages('one', 'two')),
      '/a.B/Never': stream(() => messages()),
    });
    cleanups.push(mesh.close);
    for (const path of ['/a.B/Twice', '/a.B/Never']) {
      await expect(mesh.channel.unary(path, bytes(''))).rejects.toMatchObject({ reason: Reason.INTERNAL });
    }
  });

  test('with metadata that no header can hold is refused before it is sent', async () => {
    const mesh = await loopback({ '/a.B/Echo': ECHO });
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
    const mesh = await loopback({
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
    const mesh = await loopback({ '/a.B/Hang': unary(() => new Promise(() => {})) });
    cleanups.push(mesh.close);
    for (const deadlineMs of [Date.now() + 50, Date.now() - 1]) {
      await expect(mesh.channel.unary('/a.B/Hang', bytes(''), { deadlineMs })).rejects.toMatchObject({
        reason: Reason.DEADLINE_EXCEEDED,
        message: expect.stringContaining('/a.B/Hang') as string,
      });
    }
  });

  test('a deadline beyond what timers reach is none', async () => {
    const mesh = await loopback({ '/a.B/Echo': ECHO });
    cleanups.push(mesh.close);
    const deadlineMs = Date.now() + 100 * 24 * 3600 * 1000;
    expect(text(await mesh.channel.unary('/a.B/Echo', bytes('hi'), { deadlineMs }))).toBe('hi');
  });

  test('the whole channel cancels what is in flight', async () => {
    const entered = gate();
    const mesh = await loopback({
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
