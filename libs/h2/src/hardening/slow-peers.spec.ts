import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { ErrorCode } from '../frames/error-code';
import { FrameType, PREFACE, Setting } from '../frames/frame';
import { EDGE_LIMITS } from '../limits';
import { H2Listener } from '../server/h2-listener';
import { clientStreamId, opening, resetOn } from '../testkit/attack';
import { grpcMessage } from '../testkit/grpc-request';
import { Neighbour } from '../testkit/neighbour';
import { answerOn, rawCall } from '../testkit/raw-call';
import { dataFrame, settingsFrame, windowUpdateFrame } from '../testkit/raw-frame';
import { RawPeer } from '../testkit/raw-peer';
import { selfSigned } from '../testkit/self-signed';
import { PINGS_AT_WILL, Target, TargetPath, type TargetOptions } from '../testkit/target';
import { within } from '../testkit/within';

// What the limits call for after minutes is asked for after a third of a second here.
const SOON_MS = 300;

let target: Target;

async function start(limits: TargetOptions['limits'], options: TargetOptions = {}): Promise<void> {
  target = await Target.start({ ...options, limits: { ...PINGS_AT_WILL, ...limits } });
}

afterEach(async () => {
  await target.close();
  expect(target.internalErrors).toEqual([]);
});

describe('a connection that does not get to its first SETTINGS is closed', () => {
  test.each([
    ['without a byte', []],
    ['in the middle of the preface', [PREFACE.subarray(0, 10)]],
    ['after the preface', [PREFACE]],
    ['in the middle of SETTINGS', [PREFACE, settingsFrame([1, 1]).subarray(0, 12)]],
  ])('%s', async (_name, bytes) => {
    await start({ handshakeMs: SOON_MS });
    const peer = await RawPeer.dial(target.port, { acknowledges: false });
    for (const part of bytes) peer.send(part);
    await peer.closed();
  });

  test('in the middle of the TLS handshake', async () => {
    await start({ handshakeMs: SOON_MS }, { tls: selfSigned() });
    const neighbour = await RawPeer.dialTls(target.port);
    neighbour.send(PREFACE, settingsFrame());
    const silent = await RawPeer.dial(target.port);
    const halfway = await RawPeer.dial(target.port);
    halfway.send(Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01));
    await Promise.all([silent.closed(), halfway.closed()]);
    expect((await rawCall(neighbour, 1, TargetPath.ECHO, 'x')).status).toBe('0');
    await neighbour.close();
  });

  test('after the TLS handshake', async () => {
    await start({ handshakeMs: SOON_MS }, { tls: selfSigned() });
    const peer = await RawPeer.dialTls(target.port);
    await peer.closed();
  });
});

test('what speaks HTTP/1.1 or another protocol over TLS is closed at once', async () => {
  await start({}, { tls: selfSigned() });
  const socket = tls.connect({
    port: target.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
  });
  socket.on('error', () => {});
  await within(new Promise((resolve) => socket.once('close', resolve)), () => 'the end of a connection without h2');
});

test('what speaks HTTP/1.1 in plain text is closed at once', async () => {
  await start({});
  const peer = await RawPeer.dial(target.port);
  peer.send(Buffer.from('POST /target.T/Echo HTTP/1.1\r\nHost: localhost\r\n\r\n'));
  await peer.closed();
});

test('no more strangers are let in than may be in their handshake, and friends are not hindered', async () => {
  await start({});
  const listener = new H2Listener(() => () => ({ onHeaders() {}, onData() {}, onDrain() {}, onReset() {} }), {
    limits: EDGE_LIMITS,
    indexedHeaders: new Set(),
    handshakes: 5,
    connections: 8,
  });
  const port = await listener.listen({ host: '127.0.0.1', port: 0 });
  const friends = await Promise.all([1, 2].map(() => RawPeer.open(port)));
  for (const friend of friends) await friend.settled();
  const strangers = await Promise.all(Array.from({ length: 5 }, () => RawPeer.dial(port)));
  const sixth = await RawPeer.dial(port);
  await sixth.closed();
  for (const stranger of strangers) stranger.send(PREFACE, settingsFrame());
  for (const stranger of strangers) await stranger.settled();
  const eighth = await RawPeer.open(port);
  const ninth = await RawPeer.dial(port);
  await ninth.closed();
  expect([...friends, ...strangers, eighth].filter(({ ended }) => ended)).toEqual([]);
  await Promise.all([...friends, ...strangers, eighth].map((peer) => peer.close()));
  await listener.close();
});

describe('a connection', () => {
  test('without a stream is told goodbye after a while', async () => {
    await start({ idleMs: SOON_MS });
    const peer = await target.open();
    expect((await rawCall(peer, 1, TargetPath.ECHO, 'x')).status).toBe('0');
    expect((await peer.closed()).goaway?.code).toBe(ErrorCode.NO_ERROR);
  });

  test('with a call is not idle', async () => {
    await start({ idleMs: SOON_MS });
    const peer = await target.open();
    peer.send(opening(1, TargetPath.HOLD), dataFrame(1, grpcMessage('x'), { end: true }));
    await expect(peer.closed(5 * SOON_MS)).rejects.toThrow(/waited/);
    target.letGo();
    expect((await answerOn(peer, 1)).status).toBe('0');
    await peer.closed();
  });

  test('that has come of age is replaced, and no call fails of it', async () => {
    await start({ ageMs: 1_500, ageGraceMs: 2_000 });
    const client = new grpc.Client(`127.0.0.1:${target.port}`, grpc.credentials.createInsecure());
    const endsMs = performance.now() + 5_000;
    let calls = 0;
    const callOn = async (): Promise<void> => {
      for (; performance.now() < endsMs; calls += 1) {
        await new Promise<void>((resolve, reject) => {
          const same = (bytes: Buffer): Buffer => bytes;
          client.makeUnaryRequest(TargetPath.ECHO, same, same, Buffer.from('x'), (error) =>
            error === null ? resolve() : reject(error),
          );
        });
      }
    };
    await Promise.all(Array.from({ length: 8 }, callOn));
    client.close();
    expect(calls).toBeGreaterThan(100);
    expect(target.callers.size).toBeGreaterThan(1);
  });

  test('that has come of age and whose calls do not end is closed after its grace', async () => {
    await start({ ageMs: SOON_MS, ageGraceMs: SOON_MS });
    const peer = await target.open();
    peer.send(opening(1, TargetPath.HOLD), dataFrame(1, grpcMessage('x'), { end: true }));
    expect((await peer.closed()).goaway?.code).toBe(ErrorCode.NO_ERROR);
    expect(target.aborted).toBe(1);
  });
});

describe('a stream', () => {
  test('on which half a message has come and no more is reset', async () => {
    await start({ stallMs: SOON_MS });
    const peer = await target.open();
    peer.send(opening(1, TargetPath.ECHO), dataFrame(1, grpcMessage('half').subarray(0, 7)));
    peer.send(opening(3, TargetPath.COUNT), dataFrame(3, grpcMessage('half').subarray(0, 7)));
    expect([await resetOn(peer, 1), await resetOn(peer, 3)]).toEqual(['ENHANCE_YOUR_CALM', 'ENHANCE_YOUR_CALM']);
    await peer.close();
  });

  test('of long-lived messages may be silent between them', async () => {
    await start({ stallMs: SOON_MS });
    const peer = await target.open();
    peer.send(opening(1, TargetPath.ECHO_STREAM), dataFrame(1, grpcMessage('first')));
    await peer.next('the first answer', ({ type, payload }) => type === FrameType.DATA && payload.length > 0);
    await expect(peer.next('RST_STREAM', ({ type }) => type === FrameType.RST_STREAM, 5 * SOON_MS)).rejects.toThrow(
      /waited/,
    );
    peer.send(dataFrame(1, grpcMessage('second'), { end: true }));
    expect((await answerOn(peer, 1)).status).toBe('0');
    await peer.close();
  });

  test.each([
    ['that has ended its requests', true],
    ['that has not', false],
  ])('whose window stays shut before a caller %s is reset, all 100 of them', async (_name, ends) => {
    await start({ stallMs: SOON_MS, resets: { capacity: 1_000, perSecond: 0 } });
    const neighbour = await Neighbour.start(target.port);
    const peer = await target.open([[Setting.INITIAL_WINDOW_SIZE, 0]]);
    for (let i = 0; i < 100; i += 1) {
      const id = clientStreamId(i);
      peer.send(opening(id, TargetPath.PULL), dataFrame(id, grpcMessage('1000 60000'), { end: ends }));
    }
    for (let i = 0; i < 100; i += 1) expect(await resetOn(peer, clientStreamId(i))).toBe('ENHANCE_YOUR_CALM');
    await peer.settled();
    await neighbour.stop();
    expect(target.running).toBe(0);
    await peer.close();
  });

  test('whose window is opened by a byte now and then is reset, too', async () => {
    await start({ stallMs: SOON_MS });
    const peer = await target.open([[Setting.INITIAL_WINDOW_SIZE, 0]]);
    peer.send(opening(1, TargetPath.LARGE), dataFrame(1, grpcMessage('1000000'), { end: true }));
    const drip = setInterval(() => peer.send(windowUpdateFrame(1, 1)), SOON_MS / 5);
    expect(await resetOn(peer, 1).finally(() => clearInterval(drip))).toBe('ENHANCE_YOUR_CALM');
    await peer.close();
  });

  test('that is read slowly but steadily is answered whole', async () => {
    await start({ stallMs: 2 * SOON_MS });
    const peer = await target.open([[Setting.INITIAL_WINDOW_SIZE, 0]]);
    peer.send(opening(1, TargetPath.LARGE), dataFrame(1, grpcMessage('640000'), { end: true }));
    const drip = setInterval(() => peer.send(windowUpdateFrame(1, 40_000), windowUpdateFrame(0, 40_000)), SOON_MS / 2);
    const answer = await answerOn(peer, 1).finally(() => clearInterval(drip));
    expect(answer.messages[0]?.length).toBe(640_000);
    await peer.close();
  });

  test('that is written slowly but steadily is taken whole', async () => {
    await start({ stallMs: 2 * SOON_MS });
    const peer = await target.open();
    const bytes = grpcMessage(Buffer.alloc(200_000, 'z'));
    peer.send(opening(1, TargetPath.COUNT));
    for (let at = 0; at < bytes.length; at += 10_000) {
      peer.send(dataFrame(1, bytes.subarray(at, at + 10_000), { end: at + 10_000 >= bytes.length }));
      await expect(peer.next('nothing', ({ type }) => type === FrameType.RST_STREAM, SOON_MS / 2)).rejects.toThrow(
        /waited/,
      );
    }
    expect(String((await answerOn(peer, 1)).messages)).toBe('200000');
    await peer.close();
  });
});

test('a socket that never reads is given up, with all that was to be sent on it', async () => {
  await start({ stallMs: SOON_MS });
  const peer = await target.open([[Setting.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]]);
  peer.send(
    windowUpdateFrame(0, 2 ** 30),
    opening(1, TargetPath.PULL),
    dataFrame(1, grpcMessage('10000 60000'), { end: true }),
  );
  peer.pause();
  const ends = new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (target.begun < 1 || target.running > 0) return;
      clearInterval(look);
      resolve();
    }, 20);
  });
  await within(ends, () => 'the handler to be told that nobody reads');
  await peer.close();
});

test('a listener whose callers are cut off in their first bytes has no bug to tell of', async () => {
  await start({});
  for (let bytes = 0; bytes < 60; bytes += 1) {
    const socket = net.connect({ port: target.port, host: '127.0.0.1' });
    await once(socket, 'connect');
    socket.on('error', () => {});
    socket.write(Buffer.concat([PREFACE, settingsFrame([1, 1]), opening(1, TargetPath.ECHO)]).subarray(0, bytes));
    socket.resetAndDestroy();
  }
  const peer = await target.open();
  expect((await rawCall(peer, 1, TargetPath.ECHO, 'x')).status).toBe('0');
  await peer.close();
});
