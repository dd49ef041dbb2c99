import { constants, deflateSync, gzipSync } from 'node:zlib';
import { clientStreamId, opening } from '../testkit/attack';
import { fieldOf, grpcMessage } from '../testkit/grpc-request';
import { Setting } from '../frames/frame';
import { Neighbour } from '../testkit/neighbour';
import { answerOn } from '../testkit/raw-call';
import { dataFrame } from '../testkit/raw-frame';
import { RawPeer } from '../testkit/raw-peer';
import { Target, TargetPath } from '../testkit/target';
import { VictimProcess } from '../testkit/victim-process';
import { WindowedSender } from '../testkit/windowed-sender';

const MIB = 2 ** 20;
/** The largest message that the victim takes. */
const MESSAGE_BYTES = 4 * MIB;
const GZIP = ['grpc-encoding', 'gzip'];
const NOTHING = Buffer.alloc(0);
/** gRPC's codes. */
const [INVALID_ARGUMENT, EXHAUSTED, UNIMPLEMENTED, INTERNAL] = ['3', '8', '12', '13'];

describe('memory', () => {
  let victim: VictimProcess;
  let peer: RawPeer;

  beforeAll(async () => {
    victim = await VictimProcess.start({ messageBytes: MESSAGE_BYTES });
  });

  beforeEach(async () => {
    peer = await RawPeer.open(victim.port, [], { credits: 'lots' });
  });

  afterEach(() => peer.close());

  afterAll(() => victim.close());

  test('is not taken for a message that says it has 4 GiB', async () => {
    const growthBytes = await victim.growthDuring(async () => {
      for (let i = 0; i < 50; i += 1) {
        const id = clientStreamId(i);
        peer.send(opening(id, TargetPath.ECHO), dataFrame(id, grpcMessage('x', 0, 0xffffffff)));
        expect((await answerOn(peer, id)).status).toBe(EXHAUSTED);
      }
    });
    expect(growthBytes).toBeLessThanOrEqual(4 * MIB);
  });

  test('is not taken ahead for messages that are announced and do not come', async () => {
    const growthBytes = await victim.growthDuring(async () => {
      for (let i = 0; i < 100; i += 1) {
        const id = clientStreamId(i);
        peer.send(opening(id, TargetPath.ECHO), dataFrame(id, grpcMessage('x', 0, MESSAGE_BYTES)));
      }
      await peer.settled();
    });
    expect(growthBytes).toBeLessThanOrEqual(4 * MIB);
  });

  const hundred = Array.from({ length: 100 }, (_, i) => clientStreamId(i));

  test('is bounded for all messages of a connection together that never end', async () => {
    const growthBytes = await victim.growthDuring(async () => {
      for (const id of hundred)
        peer.send(opening(id, TargetPath.ECHO), dataFrame(id, grpcMessage('x', 0, MESSAGE_BYTES)));
      await new WindowedSender(peer).fill(hundred, Buffer.alloc(16_384, 'x'), 390 * MIB);
    });
    expect(growthBytes).toBeLessThanOrEqual(16 * MIB);
  });

  test('is bounded for what the handlers of all streams of a connection do not read', async () => {
    const growthBytes = await victim.growthDuring(async () => {
      for (const id of hundred) peer.send(opening(id, TargetPath.UNREAD));
      await new WindowedSender(peer).fill(
        hundred,
        Buffer.alloc(16_384, grpcMessage(Buffer.alloc(1_019, 'x'))),
        400 * MIB,
      );
    });
    expect(growthBytes).toBeLessThanOrEqual(16 * MIB);
  });

  test('is bounded for answers that nobody takes, on all streams of a connection', async () => {
    const shut = await RawPeer.open(victim.port, [[Setting.INITIAL_WINDOW_SIZE, 0]]);
    const growthBytes = await victim.growthDuring(async () => {
      for (const id of hundred)
        shut.send(opening(id, TargetPath.PULL), dataFrame(id, grpcMessage('9999 10000'), { end: true }));
      await shut.settled();
    });
    expect(growthBytes).toBeLessThanOrEqual(16 * MIB);
    await shut.close();
  });

  test('is not taken for what follows the one request of a unary call', async () => {
    const growthBytes = await victim.growthDuring(async () => {
      peer.send(opening(1, TargetPath.ECHO));
      await new WindowedSender(peer).fill([1], grpcMessage(Buffer.alloc(16_000, 'x')), 50 * MIB);
    });
    expect(growthBytes).toBeLessThanOrEqual(8 * MIB);
    expect((await answerOn(peer, 1)).status).toBe(INVALID_ARGUMENT);
  });

  test('is taken up to the limit where 60 MB of zeros unfold, and the call is refused', async () => {
    const neighbour = await Neighbour.start(victim.port);
    const bomb = gzipSync(Buffer.alloc(60_000_000));
    const growthBytes = await victim.growthDuring(async () => {
      for (let i = 0; i < 20; i += 1) {
        const id = clientStreamId(i);
        peer.send(opening(id, TargetPath.ECHO, GZIP), ...inFrames(id, grpcMessage(bomb, 1)));
        expect((await answerOn(peer, id)).status).toBe(EXHAUSTED);
      }
    });
    await neighbour.stop();
    // A message as large as is allowed is whole in memory, and once more while it is put together.
    expect(growthBytes).toBeLessThanOrEqual(16 * MIB + 2 * MESSAGE_BYTES);
  });
});

describe('a message', () => {
  let target: Target;
  let peer: RawPeer;

  beforeEach(async () => {
    target = await Target.start({ messageBytes: MIB });
    peer = await target.open([], { credits: 'lots' });
  });

  afterEach(async () => {
    await peer.close();
    await target.close();
    expect(target.internalErrors).toEqual([]);
  });

  const answer = async (
    frames: readonly Buffer[],
    path: string,
    more: readonly string[] = [],
  ): ReturnType<typeof answerOn> => {
    peer.send(opening(1, path, more), ...frames);
    return answerOn(peer, 1);
  };

  test('that is gzip is unfolded, also beside one that is not', async () => {
    const both = Buffer.concat([grpcMessage(gzipSync('folded'), 1), grpcMessage('plain')]);
    const { status, messages } = await answer([dataFrame(1, both, { end: true })], TargetPath.ECHO_STREAM, GZIP);
    expect([status, ...messages.map(String)]).toEqual(['0', 'folded', 'plain']);
  });

  const whole = gzipSync('content');
  test.each([
    ['cut off', whole.subarray(0, -3), INTERNAL],
    ['with a wrong checksum', Buffer.concat([whole.subarray(0, -8), Buffer.alloc(8)]), INTERNAL],
    ['that is deflate', deflateSync('content'), INTERNAL],
    ['that is nothing', NOTHING, INTERNAL],
    [
      'that unfolds to one byte too many',
      gzipSync(Buffer.alloc(MIB + 1), { level: constants.Z_BEST_SPEED }),
      EXHAUSTED,
    ],
  ])('of gzip %s fails by itself', async (_name, content, code) => {
    for (const [i, path] of [TargetPath.ECHO, TargetPath.ECHO_STREAM].entries()) {
      const id = clientStreamId(i);
      peer.send(opening(id, path, GZIP), dataFrame(id, grpcMessage(content, 1), { end: true }));
      expect((await answerOn(peer, id)).status).toBe(code);
    }
  });

  test('that unfolds to what is allowed, to the byte, is taken', async () => {
    const message = grpcMessage(gzipSync(Buffer.alloc(MIB)), 1);
    const { status, messages } = await answer([dataFrame(1, message, { end: true })], TargetPath.COUNT, GZIP);
    expect([status, String(messages)]).toEqual(['0', String(MIB)]);
  });

  test('that says it is compressed where no encoding was named is INTERNAL', async () => {
    const frames = [dataFrame(1, grpcMessage(gzipSync('x'), 1), { end: true })];
    expect((await answer(frames, TargetPath.ECHO)).status).toBe(INTERNAL);
  });

  test('with a flag that nobody knows is INTERNAL', async () => {
    expect((await answer([dataFrame(1, grpcMessage('x', 2), { end: true })], TargetPath.ECHO)).status).toBe(INTERNAL);
  });

  test('of an unknown encoding is UNIMPLEMENTED, and the answer names what is taken', async () => {
    const frames = [dataFrame(1, grpcMessage('x', 1), { end: true })];
    const { status, trailers } = await answer(frames, TargetPath.ECHO, ['grpc-encoding', 'br']);
    expect(status).toBe(UNIMPLEMENTED);
    expect(fieldOf(trailers, 'grpc-accept-encoding')).toContain('gzip');
  });

  test('larger than allowed is refused at its prefix', async () => {
    const { status, trailers } = await answer([dataFrame(1, grpcMessage('', 0, MIB + 1))], TargetPath.ECHO);
    expect(status).toBe(EXHAUSTED);
    expect(fieldOf(trailers, 'grpc-message')).toMatch(/messageLimit/);
  });

  test.each([
    ['in its prefix', grpcMessage('cut off').subarray(0, 3)],
    ['in its content', grpcMessage('cut off').subarray(0, -1)],
  ])('that ends %s is INTERNAL', async (_name, bytes) => {
    expect((await answer([dataFrame(1, bytes, { end: true })], TargetPath.ECHO)).status).toBe(INTERNAL);
  });

  test.each([
    ['none', NOTHING],
    ['two', Buffer.concat([grpcMessage('a'), grpcMessage('b')])],
  ])('is what a unary call has one of; %s is refused', async (_name, bytes) => {
    expect((await answer([dataFrame(1, bytes, { end: true })], TargetPath.ECHO)).status).toBe(INVALID_ARGUMENT);
  });

  test('may be split between DATA frames at every byte', async () => {
    const bytes = Buffer.concat([grpcMessage('first'), grpcMessage(''), grpcMessage('third one')]);
    for (let at = 0; at <= bytes.length; at += 1) {
      const id = clientStreamId(at);
      peer.send(
        opening(id, TargetPath.ECHO_STREAM),
        dataFrame(id, bytes.subarray(0, at)),
        dataFrame(id, bytes.subarray(at), { end: true }),
      );
      const { status, messages } = await answerOn(peer, id);
      expect([status, ...messages.map(String)]).toEqual(['0', 'first', '', 'third one']);
    }
  });

  test('may come in frames of one byte, and its bytes in TCP segments of one byte', async () => {
    const bytes = grpcMessage('byte by byte');
    const all = Buffer.concat([
      opening(1, TargetPath.ECHO),
      ...[...bytes].map((_byte, i) => dataFrame(1, bytes.subarray(i, i + 1), { end: i === bytes.length - 1 })),
    ]);
    for (const byte of all) {
      peer.send(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(String((await answerOn(peer, 1)).messages)).toBe('byte by byte');
  });
});

function inFrames(streamId: number, bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 16_384) {
    const end = at + 16_384 >= bytes.length;
    frames.push(dataFrame(streamId, bytes.subarray(at, at + 16_384), { end }));
  }
  return frames;
}
