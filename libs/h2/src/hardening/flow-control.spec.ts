import { ErrorCode } from '../frames/error-code';
import { Flag, FrameType, Setting, WINDOW_MAX_BYTES } from '../frames/frame';
import { clientStreamId, endsWith, opening, resetOn } from '../testkit/attack';
import { grpcMessage } from '../testkit/grpc-request';
import { Neighbour } from '../testkit/neighbour';
import { answerOn, rawCall } from '../testkit/raw-call';
import { Random } from '../testkit/random';
import { dataFrame, settingsFrame, windowUpdateFrame } from '../testkit/raw-frame';
import type { FrameMatch } from '../testkit/raw-peer';
import { PINGS_AT_WILL, Target, TargetPath } from '../testkit/target';

const KIB = 1024;
/** Of a gRPC message. */
const PREFIX_BYTES = 5;

const isSettingsAck: FrameMatch = ({ type, flags }) => type === FrameType.SETTINGS && (flags & Flag.ACK) !== 0;

let target: Target;

beforeEach(async () => {
  // These tests ask by PING whether the server has seen all.
  target = await Target.start({ limits: PINGS_AT_WILL });
});

afterEach(async () => {
  await target.close();
  expect(target.internalErrors).toEqual([]);
});

const ask = (streamId: number, content: string, path: string = TargetPath.LARGE): Buffer =>
  Buffer.concat([opening(streamId, path), dataFrame(streamId, grpcMessage(content), { end: true })]);

describe('a window that becomes too large', () => {
  test('ends the connection when it is the connection’s', async () => {
    const peer = await target.open();
    peer.send(windowUpdateFrame(0, WINDOW_MAX_BYTES));
    await endsWith(peer, ErrorCode.FLOW_CONTROL_ERROR);
  });

  test('ends the stream when it is the stream’s', async () => {
    const peer = await target.open();
    peer.send(opening(1, TargetPath.COUNT), windowUpdateFrame(1, WINDOW_MAX_BYTES));
    expect(await resetOn(peer, 1)).toBe('FLOW_CONTROL_ERROR');
    expect((await rawCall(peer, 3, TargetPath.ECHO, 'x')).status).toBe('0');
    await peer.close();
  });

  test('by SETTINGS ends the connection', async () => {
    const peer = await target.open();
    peer.send(
      opening(1, TargetPath.COUNT),
      windowUpdateFrame(1, 1),
      settingsFrame([Setting.INITIAL_WINDOW_SIZE, WINDOW_MAX_BYTES]),
    );
    await endsWith(peer, ErrorCode.FLOW_CONTROL_ERROR);
  });

  test('is refused where SETTINGS ask for more than there can be', async () => {
    const peer = await target.open();
    peer.send(settingsFrame([Setting.INITIAL_WINDOW_SIZE, 2 ** 31]));
    await endsWith(peer, ErrorCode.FLOW_CONTROL_ERROR);
  });
});

describe('more DATA than there is room for', () => {
  test('on a stream ends the stream, and the connection stays in step', async () => {
    const peer = await target.open();
    peer.send(opening(1, TargetPath.UNREAD));
    peer.send(...Array.from({ length: 17 }, () => dataFrame(1, Buffer.alloc(16 * KIB))));
    expect(await resetOn(peer, 1)).toBe('FLOW_CONTROL_ERROR');
    peer.send(windowUpdateFrame(0, 100_000));
    expect((await rawCall(peer, 3, TargetPath.ECHO, 'x')).status).toBe('0');
    await peer.close();
  });

  test('counts padding', async () => {
    const limited = await Target.start({
      limits: { connectionWindowBytes: 64 * KIB + 200, streamWindowBytes: 64 * KIB },
    });
    const peer = await limited.open();
    const padded = (id: number): Buffer => dataFrame(id, Buffer.from('x'), { padding: 255 });
    peer.send(opening(1, TargetPath.ECHO), dataFrame(1, grpcMessage(Buffer.alloc(0), 0, 60_000)));
    // Padding is given back at once, or a body with padding could never be taken.
    await peer.flood(1_000, () => padded(1), 10);
    expect(peer.waiting.some(({ type }) => type === FrameType.WINDOW_UPDATE)).toBe(true);
    await peer.close();
    await limited.close();
  });
});

describe('what is sent', () => {
  test.each([1, 2, 3, 4, 5])(
    'keeps to windows that are widened, narrowed and made negative at random (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const initial = random.below(70_000);
      const peer = await target.open([[Setting.INITIAL_WINDOW_SIZE, initial]]);
      await peer.next('SETTINGS are acknowledged', isSettingsAck);
      const bodies = [1, 3, 5].map((id) => ({
        id,
        bytes: 40_000 + random.below(200_000),
        got: 0,
        window: initial,
      }));
      let connectionWindow = 65_535;
      let announced = initial;
      /** Windows become smaller when the server says that it knows, not before. */
      const narrowings: number[] = [];
      const widen = (bytes: number): void => bodies.forEach((body) => (body.window += bytes));
      for (const { id, bytes } of bodies) peer.send(ask(id, String(bytes)));
      while (bodies.some(({ bytes, got }) => got < bytes + PREFIX_BYTES)) {
        await peer.settled();
        for (const frame of peer.waiting.splice(0)) {
          if (isSettingsAck(frame)) widen(narrowings.shift() ?? 0);
          const body = bodies.find(({ id }) => id === frame.streamId);
          if (frame.type !== FrameType.DATA || body === undefined) continue;
          body.got += frame.payload.length;
          body.window -= frame.payload.length;
          connectionWindow -= frame.payload.length;
          expect(connectionWindow).toBeGreaterThanOrEqual(0);
          if (frame.payload.length > 0) expect(body.window).toBeGreaterThanOrEqual(0);
        }
        const choice = random.next();
        const moreBytes = 1_000 + random.below(60_000);
        if (choice < 0.3) {
          const next = random.below(70_000);
          widen(Math.max(0, next - announced));
          narrowings.push(Math.min(0, next - announced));
          announced = next;
          peer.send(settingsFrame([Setting.INITIAL_WINDOW_SIZE, next]));
        } else if (choice < 0.65) {
          const body = bodies[random.below(bodies.length)];
          if (body === undefined || body.got >= body.bytes + PREFIX_BYTES) continue;
          body.window += moreBytes;
          peer.send(windowUpdateFrame(body.id, moreBytes));
        } else {
          connectionWindow += moreBytes;
          peer.send(windowUpdateFrame(0, moreBytes));
        }
      }
      expect(bodies.map(({ got }) => got)).toEqual(bodies.map(({ bytes }) => bytes + PREFIX_BYTES));
      await peer.close();
    },
  );

  test('to a window of 0 on 100 streams waits, and others get their answers', async () => {
    const neighbour = await Neighbour.start(target.port);
    const peer = await target.open([[Setting.INITIAL_WINDOW_SIZE, 0]]);
    for (let i = 0; i < 100; i += 1) peer.send(ask(clientStreamId(i), '100000'));
    await peer.settled();
    expect(peer.waiting.some(({ type, payload }) => type === FrameType.DATA && payload.length > 0)).toBe(false);
    await neighbour.stop();
    peer.send(windowUpdateFrame(clientStreamId(50), 200_000), windowUpdateFrame(0, 200_000));
    expect((await answerOn(peer, clientStreamId(50))).messages[0]?.length).toBe(100_000);
    await peer.close();
  });

  test('takes turns of at most 16 KiB, so that a large answer holds no small one up', async () => {
    const peer = await target.open([[Setting.INITIAL_WINDOW_SIZE, 10_000_000]]);
    peer.send(ask(1, '8000000'));
    const largeBytes = (): number =>
      peer.waiting.reduce(
        (sum, { type, streamId, payload }) => sum + (type === FrameType.DATA && streamId === 1 ? payload.length : 0),
        0,
      );
    peer.send(ask(3, 'small', TargetPath.ECHO), windowUpdateFrame(0, 20_000_000));
    expect(String((await answerOn(peer, 3)).messages)).toBe('small');
    expect(largeBytes()).toBeLessThan(4_000_000);
    expect(Math.max(...peer.waiting.map(({ payload }) => payload.length))).toBeLessThanOrEqual(16 * KIB);
    expect((await answerOn(peer, 1)).messages[0]?.length).toBe(8_000_000);
    await peer.close();
  });
});
