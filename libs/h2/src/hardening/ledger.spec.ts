import { type BmsError, Reason } from '@bms/contracts';
import { H2Channel } from '../client/h2-channel';
import { ErrorCode } from '../frames/error-code';
import { Flag, FrameType } from '../frames/frame';
import { grpcMessage } from '../testkit/grpc-request';
import { literalBlock } from '../testkit/header-block';
import { dataFrame, goawayFrame, headersFrame, resetFrame } from '../testkit/raw-frame';
import { RawListener } from '../testkit/raw-listener';
import type { RawPeer } from '../testkit/raw-peer';

// Whoever calls may send a call again where it is told CONNECTION_FAILED: the transport says so only where the server has promised that it did
// nothing, or was never asked. At every frame of an exchange, and for every way in which it can break off.

const HEAD = headersFrame(1, literalBlock([':status', '200', 'content-type', 'application/grpc']));
const BODY = dataFrame(1, grpcMessage('done'));

/** How far the exchange has come, and what of the answer has been sent by then. */
const MOMENTS: readonly [string, readonly Buffer[]][] = [
  ['before the answer', []],
  ['after its headers', [HEAD]],
  ['in its message', [HEAD, BODY.subarray(0, 11)]],
  ['after its message', [HEAD, BODY]],
];

/** How it breaks off, and whether the server says by it that it did nothing. */
const BREAKS: readonly [string, (peer: RawPeer) => void, boolean][] = [
  ['GOAWAY below it', (peer) => peer.send(goawayFrame(0, 0)), true],
  ['RST_STREAM with REFUSED_STREAM', (peer) => peer.send(resetFrame(1, ErrorCode.REFUSED_STREAM)), true],
  ['GOAWAY above it, and the end', (peer) => peer.socket.end(goawayFrame(1, 0)), false],
  ['GOAWAY with an error, and the end', (peer) => peer.socket.end(goawayFrame(1, ErrorCode.INTERNAL_ERROR)), false],
  ['RST_STREAM with CANCEL', (peer) => peer.send(resetFrame(1, ErrorCode.CANCEL)), false],
  ['RST_STREAM with INTERNAL_ERROR', (peer) => peer.send(resetFrame(1, ErrorCode.INTERNAL_ERROR)), false],
  ['RST_STREAM with NO_ERROR', (peer) => peer.send(resetFrame(1, ErrorCode.NO_ERROR)), false],
  ['an end of the connection', (peer) => void peer.socket.end(), false],
  ['a reset of the connection', (peer) => peer.cut(), false],
];

const EVERY = MOMENTS.flatMap(([moment, sent]) =>
  BREAKS.flatMap(([how, breakOff, undone]) =>
    // Half a frame can only be followed by its other half, or by nothing.
    moment === 'in its message' && !/connection$/.test(how) ? [] : [{ moment, sent, how, breakOff, undone }],
  ),
);

test.each(EVERY)('$how, $moment, is told apart: undone $undone', async ({ sent, breakOff, undone }) => {
  const listener = await RawListener.start();
  const channel = new H2Channel(listener.address);
  const outcome = channel.unary('/a.B/C', Buffer.from('x')).then(
    () => 'answered',
    (error: unknown) => (error as BmsError).reason,
  );
  const peer = await listener.welcome();
  await peer.next('the call', ({ type }) => type === FrameType.HEADERS);
  await peer.next('its end', ({ type, flags }) => type === FrameType.DATA && (flags & Flag.END_STREAM) !== 0);
  peer.send(...sent);
  await peer.flushed();
  breakOff(peer);
  expect((await outcome) === Reason.CONNECTION_FAILED).toBe(undone);
  channel.close();
  await listener.close();
});

test('a call that waits for room on a connection that ends was never sent', async () => {
  const listener = await RawListener.start();
  const channel = new H2Channel(listener.address);
  const call = (): Promise<string | Reason> =>
    channel.unary('/a.B/C', Buffer.from('x')).then(
      () => 'answered',
      (error: unknown) => (error as BmsError).reason,
    );
  const [sent, waiting] = [call(), call()];
  const peer = await listener.welcome([[0x3, 1]]);
  await peer.next('the one call that there is room for', ({ type }) => type === FrameType.HEADERS);
  peer.cut();
  expect(await sent).toBe(Reason.WORKER_LOST);
  expect(await waiting).toBe(Reason.CONNECTION_FAILED);
  channel.close();
  await listener.close();
});
