import { ErrorCode } from '../frames/error-code';
import { FrameType, PREFACE, Setting, STREAM_ID_MAX } from '../frames/frame';
import { clientStreamId, countResets, endsWith, opening, resetOn } from '../testkit/attack';
import { grpcMessage } from '../testkit/grpc-request';
import { Neighbour } from '../testkit/neighbour';
import { answerOn, rawCall } from '../testkit/raw-call';
import {
  continuationFrame,
  dataFrame,
  goawayFrame,
  rawFrame,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from '../testkit/raw-frame';
import { RawPeer } from '../testkit/raw-peer';
import { Target, TargetPath } from '../testkit/target';

let target: Target;
let neighbour: Neighbour;

beforeEach(async () => {
  target = await Target.start();
  neighbour = await Neighbour.start(target.port);
});

afterEach(async () => {
  await neighbour.stop();
  await target.close();
  expect(target.internalErrors).toEqual([]);
});

const call = (streamId: number, path: string = TargetPath.ECHO): Buffer =>
  Buffer.concat([opening(streamId, path), dataFrame(streamId, grpcMessage('x'), { end: true })]);

describe('streams without limit', () => {
  test('20,000 of them: the hundredth is the last, and refusing the others ends the connection', async () => {
    const peer = await target.open();
    const sent = await peer.flood(20_000, (i) => opening(clientStreamId(i), TargetPath.COUNT));
    await endsWith(peer, ErrorCode.ENHANCE_YOUR_CALM);
    expect(sent).toBeLessThan(20_000);
    expect(target.begun - neighbour.calls).toBeLessThanOrEqual(101);
  });

  test('are refused with REFUSED_STREAM before our SETTINGS were acknowledged, too', async () => {
    const peer = await RawPeer.dial(target.port, { acknowledges: false });
    peer.send(
      PREFACE,
      settingsFrame(),
      ...Array.from({ length: 150 }, (_, i) => call(clientStreamId(i), TargetPath.HOLD)),
    );
    await peer.settled();
    expect(countResets(peer)).toBe(50);
    await peer.close();
  });

  test('are told of in the first SETTINGS', async () => {
    const peer = await RawPeer.dial(target.port);
    const { payload } = await peer.next('SETTINGS', ({ type }) => type === FrameType.SETTINGS);
    const entries = new Map<number, number>();
    for (let at = 0; at < payload.length; at += 6) entries.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    expect(entries.get(Setting.MAX_CONCURRENT_STREAMS)).toBe(100);
    expect(entries.get(Setting.MAX_HEADER_LIST_SIZE)).toBe(8_192);
    await peer.close();
  });
});

describe('stream ids', () => {
  const wrong: readonly [string, readonly Buffer[], number][] = [
    ['even', [call(2)], ErrorCode.PROTOCOL_ERROR],
    ['falling', [call(5), call(3)], ErrorCode.PROTOCOL_ERROR],
    ['0', [call(0)], ErrorCode.PROTOCOL_ERROR],
    ['of DATA that has not begun', [dataFrame(1, Buffer.from('x'))], ErrorCode.PROTOCOL_ERROR],
    ['of a WINDOW_UPDATE that has not begun', [windowUpdateFrame(1, 1)], ErrorCode.PROTOCOL_ERROR],
    ['of RST_STREAM that has not begun', [resetFrame(1, 0)], ErrorCode.PROTOCOL_ERROR],
    ['of our own that we have not begun', [dataFrame(2, Buffer.from('x'))], ErrorCode.PROTOCOL_ERROR],
    ['of CONTINUATION without HEADERS', [continuationFrame(1, Buffer.alloc(0), true)], ErrorCode.PROTOCOL_ERROR],
    ['of SETTINGS', [rawFrame(FrameType.SETTINGS, 0, 1)], ErrorCode.PROTOCOL_ERROR],
    ['of PING', [rawFrame(FrameType.PING, 0, 1, Buffer.alloc(8))], ErrorCode.PROTOCOL_ERROR],
    ['of GOAWAY', [rawFrame(FrameType.GOAWAY, 0, 1, Buffer.alloc(8))], ErrorCode.PROTOCOL_ERROR],
    ['of PUSH_PROMISE', [rawFrame(FrameType.PUSH_PROMISE, 4, 1, Buffer.alloc(4))], ErrorCode.PROTOCOL_ERROR],
  ];

  test.each(wrong)('that are wrong end the connection: %s', async (_name, frames, code) => {
    const peer = await target.open();
    peer.send(...frames);
    await endsWith(peer, code);
  });

  test('up to the last one are taken, and there is none after it', async () => {
    const peer = await target.open();
    for (const id of [STREAM_ID_MAX - 2, STREAM_ID_MAX]) {
      peer.send(call(id));
      expect((await answerOn(peer, id)).status).toBe('0');
    }
    peer.send(call(1));
    await endsWith(peer, ErrorCode.PROTOCOL_ERROR);
  });

  test('with the reserved bit are what they are without it', async () => {
    const peer = await target.open();
    const bytes = Buffer.concat([call(1)]);
    bytes.writeUInt32BE(0x80000001, 5);
    peer.send(bytes);
    expect((await answerOn(peer, 1)).status).toBe('0');
    await peer.close();
  });
});

describe('frames of a wrong size end the connection:', () => {
  const wrong: readonly [string, Buffer][] = [
    ['PING of 7 bytes', rawFrame(FrameType.PING, 0, 0, Buffer.alloc(7))],
    ['SETTINGS of 5 bytes', rawFrame(FrameType.SETTINGS, 0, 0, Buffer.alloc(5))],
    ['SETTINGS with ACK and an entry', rawFrame(FrameType.SETTINGS, 1, 0, Buffer.alloc(6))],
    ['WINDOW_UPDATE of 3 bytes', rawFrame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.alloc(3))],
    ['GOAWAY of 7 bytes', rawFrame(FrameType.GOAWAY, 0, 0, Buffer.alloc(7))],
    ['RST_STREAM of 5 bytes', Buffer.concat([call(1), rawFrame(FrameType.RST_STREAM, 0, 1, Buffer.alloc(5))])],
    ['DATA that says it has 16 MiB', rawFrame(FrameType.DATA, 0, 1, Buffer.alloc(0), 2 ** 24 - 1)],
    ['an unknown type of 16,385 bytes', rawFrame(0x77, 0, 0, Buffer.alloc(16_385))],
  ];

  test.each(wrong)('%s', async (_name, bytes) => {
    const peer = await target.open();
    peer.send(bytes);
    await endsWith(peer, ErrorCode.FRAME_SIZE_ERROR);
  });

  test('padding that is longer than its frame', async () => {
    for (const frame of [
      rawFrame(FrameType.DATA, 0x8, 1, Buffer.of(5, 1, 2)),
      rawFrame(FrameType.HEADERS, 0xc, 3, Buffer.of(5, 1, 2)),
    ]) {
      const peer = await target.open();
      peer.send(opening(1, TargetPath.COUNT), frame);
      await endsWith(peer, ErrorCode.PROTOCOL_ERROR);
    }
  });
});

describe('after GOAWAY', () => {
  test('of ours, with an error, nothing that still comes is looked at', async () => {
    const peer = await target.open();
    const begun = target.begun - neighbour.calls;
    peer.send(
      call(2),
      ...Array.from({ length: 50 }, (_, i) => call(clientStreamId(i + 10))),
      Buffer.alloc(20_000, 0xff),
    );
    await endsWith(peer, ErrorCode.PROTOCOL_ERROR);
    expect(target.begun - neighbour.calls - begun).toBeLessThanOrEqual(1);
  });

  test('of a drain, what is open ends well and what comes later is refused', async () => {
    const peer = await target.open();
    peer.send(call(1, TargetPath.HOLD));
    await peer.settled();
    const drained = target.drain(new AbortController().signal);
    const first = await peer.next('GOAWAY', ({ type }) => type === FrameType.GOAWAY);
    expect(first.payload.readUInt32BE(0)).toBe(STREAM_ID_MAX);
    const second = await peer.next('the last GOAWAY', ({ type }) => type === FrameType.GOAWAY);
    expect(second.payload.readUInt32BE(0)).toBe(1);
    peer.send(call(3));
    expect(await resetOn(peer, 3)).toBe('REFUSED_STREAM');
    target.letGo();
    expect((await answerOn(peer, 1)).status).toBe('0');
    expect((await peer.closed()).goaway?.code).toBe(ErrorCode.NO_ERROR);
    await neighbour.stop().catch(() => {}); // it was drained, too
    await drained;
    target = await Target.start();
    neighbour = await Neighbour.start(target.port);
  });

  test('of the peer, its open call is answered and the connection ends', async () => {
    const peer = await target.open();
    peer.send(call(1, TargetPath.HOLD), goawayFrame(0, 0));
    await peer.next('SETTINGS are acknowledged', ({ type, flags }) => type === FrameType.SETTINGS && flags === 1);
    target.letGo();
    expect((await answerOn(peer, 1)).status).toBe('0');
    await peer.closed();
  });
});

test('a second call on a stream that has ended ends the connection', async () => {
  const peer = await target.open();
  expect((await rawCall(peer, 1, TargetPath.ECHO, 'x')).status).toBe('0');
  peer.send(call(1));
  await endsWith(peer, ErrorCode.STREAM_CLOSED);
});
