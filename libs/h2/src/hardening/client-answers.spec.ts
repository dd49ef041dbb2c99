import { gzipSync } from 'node:zlib';
import { type BmsError, Reason } from '@bms/contracts';
import { ErrorCode } from '../frames/error-code';
import { FrameType, Setting } from '../frames/frame';
import { MESH_LIMITS } from '../limits';
import { echoOn, Exchange, endsRequest, HEAD, headers, isCall, PATH } from '../testkit/exchange';
import { fieldOf, grpcMessage } from '../testkit/grpc-request';
import { dataFrame, pingFrame, windowUpdateFrame, type RawFrame } from '../testkit/raw-frame';

// What a client sends, what it keeps to, and what it takes for an answer.

let exchange: Exchange;

beforeEach(async () => {
  exchange = await Exchange.start();
});

afterEach(() => exchange.close());

describe('what a server asks for is kept:', () => {
  test('no more streams than it takes, and the others in their turn', async () => {
    const calls = Array.from({ length: 10 }, (_, i) => exchange.call(`call ${i}`));
    const peer = await exchange.listener.welcome([[Setting.MAX_CONCURRENT_STREAMS, 2]]);
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
    const outcome = exchange.call('x'.repeat(100_000));
    const peer = await exchange.listener.welcome([[Setting.INITIAL_WINDOW_SIZE, 1_000]]);
    await peer.next('the call', isCall);
    await peer.settled();
    const sent = (): number =>
      peer.waiting.reduce((sum, { type, payload }) => sum + (type === FrameType.DATA ? payload.length : 0), 0);
    expect(sent()).toBe(1_000);
    peer.send(windowUpdateFrame(1, 200_000));
    await peer.settled();
    expect(sent()).toBe(65_535);
    peer.send(windowUpdateFrame(0, 200_000));
    await peer.next('the end of the request', endsRequest);
    peer.send(...echoOn(1, 'all'));
    expect(await outcome).toEqual({ text: 'all' });
  });

  test('no table larger than HTTP/2’s own, however large a one it offers', async () => {
    const peer = await (async () => {
      exchange.channel.connect();
      return exchange.listener.welcome([[Setting.HEADER_TABLE_SIZE, 2 ** 31]]);
    })();
    // The reader has a table of 4,096 bytes, and would lose step: 300 paths are 40 KB.
    for (let i = 0; i < 300; i += 1) {
      const path = `/target.T/${'Method'.repeat(15)}${i % 150}`;
      const outcome = exchange.channel.unary(path, Buffer.from('x'));
      const { streamId, fields } = await peer.next('the call', isCall);
      expect(fieldOf(fields, ':path')).toBe(path);
      peer.send(...echoOn(streamId, 'x'));
      await outcome;
    }
  });

  test('pings are answered while calls go on', async () => {
    const outcome = exchange.call();
    const peer = await exchange.listener.welcome();
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
    void exchange.channel.unary(PATH, Buffer.from('x'), { deadlineMs: Date.now() + 5_000 }).catch(() => {});
    const peer = await exchange.listener.welcome();
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
    await peer.next('the end of the request', endsRequest);
  });

  test('is RST_STREAM CANCEL when its caller leaves, in the same turn', async () => {
    const abort = new AbortController();
    const outcome = exchange.channel
      .unary(PATH, Buffer.from('x'), { signal: abort.signal })
      .catch((error: BmsError) => error.reason);
    const peer = await exchange.listener.welcome();
    await peer.next('the call', isCall);
    abort.abort();
    const reset = await peer.next('RST_STREAM', ({ type }) => type === FrameType.RST_STREAM);
    expect(reset.payload.readUInt32BE(0)).toBe(ErrorCode.CANCEL);
    expect(await outcome).toBe(Reason.CANCELLED);
  });

  test('is nothing at all for a deadline that has passed', async () => {
    await expect(exchange.channel.unary(PATH, Buffer.from('x'), { deadlineMs: Date.now() - 1 })).rejects.toMatchObject({
      reason: Reason.DEADLINE_EXCEEDED,
    });
    expect(exchange.channel.state).toBe('idle');
  });
});

describe('an answer', () => {
  test('may be split between frames at every byte, with empty DATA between', async () => {
    const first = exchange.call('first');
    const peer = await exchange.listener.welcome();
    await peer.next('the call', isCall);
    peer.send(...echoOn(1, 'first'));
    await first;
    const bytes = grpcMessage('split');
    for (let at = 0; at <= bytes.length; at += 1) {
      const outcome = exchange.call();
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
    const outcome = exchange.call();
    const peer = await exchange.listener.welcome();
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
    expect(await exchange.answered(answer)).toEqual({ text: 'folded' });
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
    expect(await exchange.answered((id) => [...before(id), ...echoOn(id, 'x')])).toMatchObject(expected);
  });

  test('that is not read is not taken from the server: the stream waits, its neighbours do not', async () => {
    const answers = exchange.channel.stream(PATH, (async function* () {})())[Symbol.asyncIterator]();
    const first = answers.next();
    const peer = await exchange.listener.welcome();
    await peer.next('the call', isCall);
    peer.send(headers(1, HEAD), dataFrame(1, grpcMessage('read')));
    expect((await first).done).toBe(false);
    const piece = dataFrame(1, Buffer.alloc(16_384, grpcMessage(Buffer.alloc(1_019))));
    // As much as it has said that it takes of one stream, which is 1 MiB inside the mesh.
    for (let bytes = 0; bytes + 16_384 < 1_000_000; bytes += 16_384) peer.send(piece);
    expect(await exchange.answeredOn(peer, 'beside')).toEqual({ text: 'beside' });
    const widened = peer.waiting.filter(({ type, streamId }) => type === FrameType.WINDOW_UPDATE && streamId === 1);
    expect(widened).toEqual([]);
    await answers.return?.(undefined);
  });
});
