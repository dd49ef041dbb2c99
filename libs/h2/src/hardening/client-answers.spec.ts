import { setImmediate as nextTurn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type BmsError, Reason, reasonName } from '@bms/contracts';
import { H2Channel } from '../client/h2-channel';
import { ErrorCode } from '../frames/error-code';
import { Flag, FrameType, Setting } from '../frames/frame';
import { MESH_LIMITS } from '../limits';
import { fieldOf, grpcMessage } from '../testkit/grpc-request';
import { literalBlock } from '../testkit/header-block';
import {
  dataFrame,
  goawayFrame,
  headersFrame,
  pingFrame,
  resetFrame,
  windowUpdateFrame,
  type RawFrame,
} from '../testkit/raw-frame';
import { RawListener } from '../testkit/raw-listener';
import type { RawPeer } from '../testkit/raw-peer';

// A client before servers that end calls in every way there is; https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
// and doc/negative-http2-interop-test-descriptions.md.

const PATH = '/target.T/Echo';
const HEAD = [':status', '200', 'content-type', 'application/grpc'];

let listener: RawListener;
let channel: H2Channel;

beforeEach(async () => {
  listener = await RawListener.start();
  channel = new H2Channel(listener.address);
});

afterEach(async () => {
  channel.close();
  await listener.close();
});

const isCall = ({ type }: RawFrame): boolean => type === FrameType.HEADERS;
const ended = ({ type, flags }: RawFrame): boolean => type === FrameType.DATA && (flags & Flag.END_STREAM) !== 0;
const headers = (streamId: number, fields: readonly string[], end = false): Buffer =>
  headersFrame(streamId, literalBlock(fields), { end });

interface Outcome {
  readonly text?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** A unary call and what becomes of it. */
function call(content = 'x', onTrailers: () => void = () => {}): Promise<Outcome> {
  return channel.unary(PATH, Buffer.from(content), { onTrailers }).then(
    (bytes) => ({ text: Buffer.from(bytes).toString() }),
    (error: unknown) => ({ reason: reasonName((error as BmsError).reason), message: (error as BmsError).message }),
  );
}

/** A call that is answered by what `answer` makes for its stream. */
async function answered(answer: (streamId: number) => readonly Buffer[]): Promise<Outcome> {
  const outcome = call();
  const peer = await listener.welcome();
  const { streamId } = await peer.next('the call', isCall);
  await peer.next('the end of the request', ended);
  peer.send(...answer(streamId));
  return outcome;
}

describe('HTTP without grpc-status', () => {
  test.each([
    ['400', 'INTERNAL'],
    ['401', 'UNAUTHENTICATED'],
    ['403', 'PERMISSION_DENIED'],
    ['404', 'UNIMPLEMENTED'],
    ['429', 'NOT_READY'], // UNAVAILABLE of a foreign server
    ['431', 'INTERNAL'],
    ['500', 'INTERNAL'], // UNKNOWN of a foreign server
    ['502', 'NOT_READY'],
    ['503', 'NOT_READY'],
    ['504', 'NOT_READY'],
  ])('%s is %s', async (status, reason) => {
    const { reason: told } = await answered((id) => [
      headers(id, [':status', status, 'content-type', 'text/html'], true),
    ]);
    expect(told).toBe(reason);
  });

  test('is judged by its status also where a body follows', async () => {
    const { reason } = await answered((id) => [
      headers(id, [':status', '503', 'content-type', 'text/html']),
      dataFrame(id, Buffer.from('<html>no upstream</html>'), { end: true }),
    ]);
    expect(reason).toBe('NOT_READY');
  });

  test('is overruled by grpc-status', async () => {
    const { reason, message } = await answered((id) => [
      headers(
        id,
        [':status', '503', 'content-type', 'application/grpc', 'grpc-status', '7', 'grpc-message', 'no%21'],
        true,
      ),
    ]);
    expect([reason, message]).toEqual(['PERMISSION_DENIED', 'no!']);
  });
});

describe('an end without a status is never OK:', () => {
  const ends: readonly [string, (id: number) => readonly Buffer[]][] = [
    ['after the headers', (id) => [headers(id, HEAD, true)]],
    ['after a message', (id) => [headers(id, HEAD), dataFrame(id, grpcMessage('x'), { end: true })]],
    ['in trailers', (id) => [headers(id, HEAD), dataFrame(id, grpcMessage('x')), headers(id, ['x', 'y'], true)]],
    [
      'with a status that is no number',
      (id) => [headers(id, HEAD), dataFrame(id, grpcMessage('x')), headers(id, ['grpc-status', 'OK'], true)],
    ],
    [
      'with an empty status',
      (id) => [headers(id, HEAD), dataFrame(id, grpcMessage('x')), headers(id, ['grpc-status', ''], true)],
    ],
  ];

  test.each(ends)('%s', async (_name, answer) => {
    const { text, reason } = await answered(answer);
    expect(text).toBeUndefined();
    expect(reason).toBe('INTERNAL');
  });

  test('nor is OK without the one message of a unary call, or with two', async () => {
    expect(await answered((id) => [headers(id, [...HEAD, 'grpc-status', '0'], true)])).toMatchObject({
      reason: 'INTERNAL',
    });
    channel.close();
    channel = new H2Channel(listener.address);
    const two = Buffer.concat([grpcMessage('a'), grpcMessage('b')]);
    const outcome = await answered((id) => [
      headers(id, HEAD),
      dataFrame(id, two),
      headers(id, ['grpc-status', '0'], true),
    ]);
    expect(outcome).toMatchObject({ reason: 'INTERNAL' });
  });
});

describe('RST_STREAM', () => {
  test.each([
    ['NO_ERROR', ErrorCode.NO_ERROR, 'INTERNAL'],
    ['PROTOCOL_ERROR', ErrorCode.PROTOCOL_ERROR, 'INTERNAL'],
    ['REFUSED_STREAM', ErrorCode.REFUSED_STREAM, 'CONNECTION_FAILED'], // nothing was done: send it again
    ['CANCEL', ErrorCode.CANCEL, 'CANCELLED'],
    ['ENHANCE_YOUR_CALM', ErrorCode.ENHANCE_YOUR_CALM, 'OVERLOADED'],
    ['INADEQUATE_SECURITY', ErrorCode.INADEQUATE_SECURITY, 'PERMISSION_DENIED'],
  ])('%s is told by what it means', async (_name, code, reason) => {
    expect(await answered((id) => [resetFrame(id, code)])).toMatchObject({ reason });
  });

  test.each([
    ['after the headers', [headers(1, HEAD)]],
    ['in a message', [headers(1, HEAD), dataFrame(1, grpcMessage('cut').subarray(0, 6))]],
    ['after a message', [headers(1, HEAD), dataFrame(1, grpcMessage('whole'))]],
  ])('%s fails the call, and the next one is right', async (_name, frames) => {
    const failed = call();
    const peer = await listener.welcome();
    await peer.next('the call', isCall);
    peer.send(...frames, resetFrame(1, ErrorCode.NO_ERROR));
    expect((await failed).text).toBeUndefined();
    expect(await answeredOn(peer, 'again')).toEqual({ text: 'again' });
  });

  test('of NO_ERROR after a whole answer, which need not have waited for the request, leaves the answer as it is', async () => {
    const endless = (async function* () {
      for (;;) {
        yield Buffer.from('more');
        await nextTurn();
      }
    })();
    const answers = (async () => {
      const texts: string[] = [];
      for await (const answer of channel.stream(PATH, endless)) texts.push(Buffer.from(answer).toString());
      return texts;
    })();
    const peer = await listener.welcome();
    await peer.next('the call', isCall);
    peer.send(
      headers(1, HEAD),
      dataFrame(1, grpcMessage('early')),
      headers(1, ['grpc-status', '0'], true),
      resetFrame(1, 0),
    );
    expect(await answers).toEqual(['early']);
    expect(await answeredOn(peer, 'again')).toEqual({ text: 'again' });
  });

  test('of NO_ERROR after an early failure tells that failure', async () => {
    const outcome = call('x'.repeat(1_000_000));
    const peer = await listener.welcome();
    await peer.next('the call', isCall);
    peer.send(headers(1, [...HEAD, 'grpc-status', '16', 'grpc-message', 'who?'], true), resetFrame(1, 0));
    expect(await outcome).toEqual({ reason: 'UNAUTHENTICATED', message: 'who?' });
  });
});

describe('GOAWAY', () => {
  test('lets calls up to its last id end, and gives those above it back as never sent', async () => {
    const [first, second] = [call('first'), call('second')];
    const peer = await listener.welcome();
    for (let i = 0; i < 2; i += 1) await peer.next('a call', isCall);
    peer.send(goawayFrame(1, 0));
    expect(await second).toMatchObject({ reason: 'CONNECTION_FAILED' });
    peer.send(...echoOn(1, 'first'));
    expect(await first).toEqual({ text: 'first' });
    await peer.closed();
  });

  test('is followed by a connection of its own for later calls', async () => {
    const first = call('first');
    const old = await listener.welcome();
    await old.next('a call', isCall);
    old.send(goawayFrame(2 ** 31 - 1, 0));
    const ready = reachesReady();
    const peer = await listener.welcome();
    await ready;
    expect(await answeredOn(peer, 'elsewhere')).toEqual({ text: 'elsewhere' });
    old.send(...echoOn(1, 'first'));
    expect(await first).toEqual({ text: 'first' });
  });

  test('after which the connection breaks is WORKER_LOST for what was still on it', async () => {
    const outcome = call();
    const peer = await listener.welcome();
    await peer.next('a call', isCall);
    peer.send(goawayFrame(1, 0));
    peer.cut();
    expect(await outcome).toMatchObject({ reason: 'WORKER_LOST' });
  });
});

describe('what a server asks for is kept:', () => {
  test('no more streams than it takes, and the others in their turn', async () => {
    const calls = Array.from({ length: 10 }, (_, i) => call(`call ${i}`));
    const peer = await listener.welcome([[Setting.MAX_CONCURRENT_STREAMS, 2]]);
    for (let done = 0; done < 10; done += 2) {
      const open = [await peer.next('a call', isCall), await peer.next('another', isCall)];
      await peer.settled();
      expect(peer.waiting.filter(isCall)).toEqual([]);
      for (const { streamId } of open) peer.send(...echoOn(streamId, `on ${streamId}`));
    }
    expect((await Promise.all(calls)).map(({ text }) => text)).toEqual(
      Array.from({ length: 10 }, (_, i) => `on ${2 * i + 1}`),
    );
  });

  test('no more bytes than its windows have room for', async () => {
    const outcome = call('x'.repeat(100_000));
    const peer = await listener.welcome([[Setting.INITIAL_WINDOW_SIZE, 1_000]]);
    await peer.next('the call', isCall);
    await peer.settled();
    const sent = (): number =>
      peer.waiting.reduce((sum, { type, payload }) => sum + (type === FrameType.DATA ? payload.length : 0), 0);
    expect(sent()).toBe(1_000);
    peer.send(windowUpdateFrame(1, 200_000));
    await peer.settled();
    expect(sent()).toBe(65_535);
    peer.send(windowUpdateFrame(0, 200_000));
    await peer.next('the end of the request', ended);
    peer.send(...echoOn(1, 'all'));
    expect(await outcome).toEqual({ text: 'all' });
  });

  test('no table larger than HTTP/2’s own, however large a one it offers', async () => {
    const peer = await (async () => {
      channel.connect();
      return listener.welcome([[Setting.HEADER_TABLE_SIZE, 2 ** 31]]);
    })();
    // The reader has a table of 4,096 bytes, and would lose step: 300 paths are 40 KB.
    for (let i = 0; i < 300; i += 1) {
      const path = `/target.T/${'Method'.repeat(15)}${i % 150}`;
      const outcome = channel.unary(path, Buffer.from('x'));
      const { streamId, fields } = await peer.next('the call', isCall);
      expect(fieldOf(fields, ':path')).toBe(path);
      peer.send(...echoOn(streamId, 'x'));
      await outcome;
    }
  });

  test('pings are answered while calls go on', async () => {
    const outcome = call();
    const peer = await listener.welcome();
    await peer.next('the call', isCall);
    const mark = Buffer.from('measured');
    peer.send(headers(1, HEAD), pingFrame(mark), dataFrame(1, grpcMessage('x')));
    await peer.next(
      'the answer to the PING',
      ({ type, flags, payload }) => type === FrameType.PING && flags === 1 && payload.equals(mark),
    );
    peer.send(headers(1, ['grpc-status', '0'], true));
    expect(await outcome).toEqual({ text: 'x' });
  });
});

describe('what a client sends', () => {
  test('is a deadline of what remains, rounded down, and a half-close with the last message', async () => {
    void channel.unary(PATH, Buffer.from('x'), { deadlineMs: Date.now() + 5_000 }).catch(() => {});
    const peer = await listener.welcome();
    const { fields } = await peer.next('the call', isCall);
    const timeout = /^([0-9]{1,8})([HMSmun])$/.exec(fieldOf(fields, 'grpc-timeout') ?? '');
    const unitMs = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000001 }[timeout?.[2] ?? ''] ?? NaN;
    expect(Number(timeout?.[1]) * unitMs).toBeLessThanOrEqual(5_000);
    expect(Number(timeout?.[1]) * unitMs).toBeGreaterThan(3_000);
    expect([fieldOf(fields, ':method'), fieldOf(fields, ':path'), fieldOf(fields, 'te')]).toEqual([
      'POST',
      PATH,
      'trailers',
    ]);
    await peer.next('the end of the request', ended);
  });

  test('is RST_STREAM CANCEL when its caller leaves, in the same turn', async () => {
    const abort = new AbortController();
    const outcome = channel
      .unary(PATH, Buffer.from('x'), { signal: abort.signal })
      .catch((error: BmsError) => error.reason);
    const peer = await listener.welcome();
    await peer.next('the call', isCall);
    abort.abort();
    const reset = await peer.next('RST_STREAM', ({ type }) => type === FrameType.RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(ErrorCode.CANCEL);
    expect(await outcome).toBe(Reason.CANCELLED);
  });

  test('is nothing at all for a deadline that has passed', async () => {
    await expect(channel.unary(PATH, Buffer.from('x'), { deadlineMs: Date.now() - 1 })).rejects.toMatchObject({
      reason: Reason.DEADLINE_EXCEEDED,
    });
    expect(channel.state).toBe('idle');
  });
});

describe('what comes with the status', () => {
  test.each([
    ['plain text', 'grpc-message', 'no such model', 'no such model'],
    ['percent-encoded', 'grpc-message', 'f%C3%BCr 100%25', 'für 100%'],
    ['badly encoded', 'grpc-message', '100% %zz %C3', '100% %zz \ufffd'],
  ])('as grpc-message, %s, is read', async (_name, name, value, message) => {
    const outcome = await answered((id) => [headers(id, [...HEAD, 'grpc-status', '5', name, value], true)]);
    expect(outcome).toEqual({ reason: 'MODEL_NOT_FOUND', message });
  });

  test('of any bytes never breaks anything', async () => {
    const random = new Lehmer(5);
    const first = call();
    const peer = await listener.welcome();
    await peer.next('the call', isCall);
    peer.send(...echoOn(1, 'x'));
    await first;
    for (let i = 0; i < 1_000; i += 1) {
      const outcome = call();
      const { streamId } = await peer.next('the call', isCall);
      const status = ['grpc-status', '9', 'grpc-message', random.text(60), 'grpc-status-details-bin', random.text(200)];
      peer.send(headers(streamId, [...HEAD, ...status, 'x-bin', random.text(30)], true));
      expect((await outcome).reason).toBe('ILLEGAL_TRANSITION');
    }
  });

  test('is cut where it is longer than anybody reads, and the connection stays', async () => {
    const outcome = await answered((id) => [
      headers(id, [...HEAD, 'grpc-status', '5', 'grpc-message', 'm'.repeat(12_000)], true),
    ]);
    expect(outcome.text).toBeUndefined();
  });
});

describe('an answer', () => {
  test('may be split between frames at every byte, with empty DATA between', async () => {
    const first = call('first');
    const peer = await listener.welcome();
    await peer.next('the call', isCall);
    peer.send(...echoOn(1, 'first'));
    await first;
    const bytes = grpcMessage('split');
    for (let at = 0; at <= bytes.length; at += 1) {
      const outcome = call();
      const { streamId } = await peer.next('the call', isCall);
      peer.send(
        headers(streamId, HEAD),
        dataFrame(streamId, bytes.subarray(0, at)),
        dataFrame(streamId, bytes.subarray(at)),
        headers(streamId, ['grpc-status', '0'], true),
      );
      expect(await outcome).toEqual({ text: 'split' });
    }
  });

  test('larger than the window leaves room behind it: some servers do not end a stream whose window is 0', async () => {
    const outcome = call();
    const peer = await listener.welcome();
    const { streamId } = await peer.next('the call', isCall);
    peer.send(headers(streamId, HEAD));
    let room = MESH_LIMITS.streamWindowBytes;
    const message = grpcMessage(Buffer.alloc(1_200_000));
    for (let at = 0; at < message.length; ) {
      while (room === 0) {
        const isWidened = ({ type, streamId: on }: RawFrame): boolean =>
          type === FrameType.WINDOW_UPDATE && on === streamId;
        room += (await peer.next('a WINDOW_UPDATE', isWidened)).payload.readUInt32BE(0);
      }
      const piece = message.subarray(at, at + Math.min(16_384, room));
      peer.send(dataFrame(streamId, piece));
      at += piece.length;
      room -= piece.length;
    }
    await peer.settled();
    for (const { type, streamId: on, payload } of peer.waiting) {
      if (type === FrameType.WINDOW_UPDATE && on === streamId) room += payload.readUInt32BE(0);
    }
    expect(room).toBeGreaterThan(0);
    peer.send(headers(streamId, ['grpc-status', '0'], true));
    expect((await outcome).text?.length).toBe(1_200_000);
  });

  test('may be gzip', async () => {
    const answer = (id: number): readonly Buffer[] => [
      headers(id, [...HEAD, 'grpc-encoding', 'gzip']),
      dataFrame(id, grpcMessage(gzipSync('folded'), 1)),
      headers(id, ['grpc-status', '0'], true),
    ];
    expect(await answered(answer)).toEqual({ text: 'folded' });
  });

  test.each([
    ['informational headers before it', (id: number) => [headers(id, [':status', '103', 'link', 'x'])], { text: 'x' }],
    ['PUSH_PROMISE', () => [Buffer.from([0, 0, 4, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2])], { reason: 'WORKER_LOST' }],
    [
      'a message of 4 GiB',
      (id: number) => [headers(id, HEAD), dataFrame(id, grpcMessage('', 0, 2 ** 32 - 1))],
      { reason: 'MESSAGE_TOO_LARGE' },
    ],
    [
      'headers that no HTTP/2 server sends',
      (id: number) => [headers(id, [...HEAD, 'connection', 'close'])],
      { reason: 'INTERNAL' },
    ],
    ['DATA before headers', (id: number) => [dataFrame(id, grpcMessage('x'))], { reason: 'INTERNAL' }],
  ] as const)('with %s is what it has to be', async (_name, before, expected) => {
    expect(await answered((id) => [...before(id), ...echoOn(id, 'x')])).toMatchObject(expected);
  });

  test('that is not read is not taken from the server: the stream waits, its neighbours do not', async () => {
    const answers = channel.stream(PATH, (async function* () {})())[Symbol.asyncIterator]();
    const first = answers.next();
    const peer = await listener.welcome();
    await peer.next('the call', isCall);
    peer.send(headers(1, HEAD), dataFrame(1, grpcMessage('read')));
    expect((await first).done).toBe(false);
    const piece = dataFrame(1, Buffer.alloc(16_384, grpcMessage(Buffer.alloc(1_019))));
    // As much as it has said that it takes of one stream, which is 1 MiB inside the mesh.
    for (let bytes = 0; bytes + 16_384 < 1_000_000; bytes += 16_384) peer.send(piece);
    expect(await answeredOn(peer, 'beside')).toEqual({ text: 'beside' });
    const widened = peer.waiting.filter(({ type, streamId }) => type === FrameType.WINDOW_UPDATE && streamId === 1);
    expect(widened).toEqual([]);
    await answers.return?.(undefined);
  });
});

/** Text that a seed decides. */
class Lehmer {
  constructor(private state: number) {}

  text(longest: number): string {
    const characters = Array.from({ length: this.below(longest) }, () => String.fromCharCode(33 + this.below(94)));
    return characters.join('');
  }

  private below(bound: number): number {
    this.state = (this.state * 48_271) % 2_147_483_647;
    return this.state % bound;
  }
}

function echoOn(streamId: number, text: string): Buffer[] {
  return [
    headers(streamId, HEAD),
    dataFrame(streamId, grpcMessage(text)),
    headers(streamId, ['grpc-status', '0'], true),
  ];
}

/** One more call, answered rightly. */
async function answeredOn(peer: RawPeer, text: string): Promise<Outcome> {
  const outcome = call(text);
  const { streamId } = await peer.next('the call', isCall);
  peer.send(...echoOn(streamId, text));
  return outcome;
}

function reachesReady(): Promise<void> {
  return new Promise((resolve) => {
    const stop = channel.onStateChange((state) => {
      if (state !== 'ready') return;
      stop();
      resolve();
    });
  });
}
