import { type BmsError, Reason, reasonName } from '@bms/contracts';
import { H2Channel } from '../client/h2-channel';
import { FrameType, PREFACE } from '../frames/frame';
import { opening } from '../testkit/attack';
import { grpcMessage } from '../testkit/grpc-request';
import { literalBlock } from '../testkit/header-block';
import { rawCall } from '../testkit/raw-call';
import { dataFrame, headersFrame, settingsFrame } from '../testkit/raw-frame';
import { RawListener } from '../testkit/raw-listener';
import { RawPeer } from '../testkit/raw-peer';
import { Target, TargetPath } from '../testkit/target';

// CVE-2025-59465 and what is like it: the end of a connection at each byte of each kind of call.

const messages = (streamId: number, ...contents: readonly string[]): Buffer =>
  Buffer.concat(
    contents.map((content, i) => dataFrame(streamId, grpcMessage(content), { end: i === contents.length - 1 })),
  );

const CALLS: readonly [string, Buffer][] = [
  ['unary', Buffer.concat([opening(1, TargetPath.ECHO), messages(1, 'content')])],
  ['client streaming', Buffer.concat([opening(1, TargetPath.COUNT), messages(1, 'one', 'two', 'three')])],
  ['server streaming', Buffer.concat([opening(1, TargetPath.PULL), messages(1, '50 2000')])],
  ['bidirectional', Buffer.concat([opening(1, TargetPath.ECHO_STREAM), messages(1, 'one', 'two', 'three')])],
  ['waiting', Buffer.concat([opening(1, TargetPath.HOLD), messages(1, 'x')])],
];

describe('a server whose caller is cut off at every byte', () => {
  let target: Target;

  beforeAll(async () => {
    target = await Target.start();
  });

  afterAll(() => target.close());

  test.each(
    CALLS.flatMap(([name, bytes]) => [false, true].map((politely) => [name, politely ? 'FIN' : 'RST', bytes] as const)),
  )('of a call that is %s, by %s, lets go of all, and answers the next caller', async (_name, how, bytes) => {
    const all = Buffer.concat([PREFACE, settingsFrame(), bytes]);
    for (let at = 0; at <= all.length; at += 1) {
      const peer = await RawPeer.dial(target.port);
      peer.send(all.subarray(0, at));
      if (how === 'FIN') peer.socket.end();
      else await peer.flushed().then(() => peer.cut());
      await peer.closed();
    }
    const next = await target.open();
    expect((await rawCall(next, 1, TargetPath.ECHO, 'next')).status).toBe('0');
    // What is told of a broken connection is told before what comes on a later one.
    expect(target.running).toBe(0);
    expect(target.internalErrors).toEqual([]);
    await next.close();
  });
});

describe('a client whose server is cut off at every byte', () => {
  const head = headersFrame(1, literalBlock([':status', '200', 'content-type', 'application/grpc']));
  const trailers = headersFrame(1, literalBlock(['grpc-status', '0']), { end: true });
  const one = Buffer.concat([head, dataFrame(1, grpcMessage('one')), trailers]);
  const three = Buffer.concat([head, ...['a', 'b', 'c'].map((text) => dataFrame(1, grpcMessage(text))), trailers]);
  const unary = async (channel: H2Channel): Promise<string> =>
    Buffer.from(await channel.unary(TargetPath.ECHO, Buffer.from('x'))).toString();
  const stream = async (channel: H2Channel): Promise<string> => {
    const texts: string[] = [];
    const requests = (async function* () {
      yield Buffer.from('x');
    })();
    for await (const answer of channel.stream(TargetPath.PULL, requests)) texts.push(Buffer.from(answer).toString());
    return texts.join('');
  };

  test.each([
    ['unary', one, unary, 'one'],
    ['streaming', three, stream, 'abc'],
  ] as const)('of a call that is %s fails it as lost, or has the whole answer', async (_name, bytes, call, whole) => {
    for (const politely of [false, true]) {
      for (let at = 0; at <= bytes.length; at += 1) {
        const listener = await RawListener.start();
        const channel = new H2Channel(listener.address);
        const outcome = call(channel).catch((error: unknown) => reasonName((error as BmsError).reason));
        const peer = await listener.welcome();
        await peer.next('the call', ({ type }) => type === FrameType.HEADERS);
        peer.send(bytes.subarray(0, at));
        await peer.flushed();
        if (politely) peer.socket.end();
        else peer.cut();
        // A reset may overtake what was sent before it, but only as a loss.
        const allowed = politely && at === bytes.length ? [whole] : at === bytes.length ? [whole, LOST] : [LOST];
        expect(allowed).toContain(await outcome);
        channel.close();
        await listener.close();
      }
    }
  });

  test.each([0, 5, 9, 20])('before its SETTINGS are there, at byte %i, was never sent anything', async (at) => {
    const listener = await RawListener.start();
    const channel = new H2Channel(listener.address);
    const outcome = channel.unary(TargetPath.ECHO, Buffer.from('x'));
    const peer = await listener.accept();
    peer.send(settingsFrame([0x4, 100], [0x3, 100]).subarray(0, at));
    await peer.flushed();
    peer.cut();
    await expect(outcome).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });
    channel.close();
    await listener.close();
  });
});

const LOST = reasonName(Reason.WORKER_LOST);
