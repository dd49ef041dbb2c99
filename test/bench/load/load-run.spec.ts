import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadJob, LoadResult } from './load-job';
import { startLoad } from './start-load';

const ANSWER = Buffer.from('the answer');

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Answers with the message, then the status. */
function answer(stream: ServerHttp2Stream, message: Buffer, status: string | undefined): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers(status === undefined ? {} : { 'grpc-status': status }));
  stream.end(framed(message));
}

describe('a load run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-load-'));
  const bodyFile = join(folder, 'body');
  const expectedFile = join(folder, 'expected');
  let server: Http2Server | undefined;
  const sessions = new Set<ServerHttp2Session>();

  beforeEach(() => {
    writeFileSync(bodyFile, framed(Buffer.from('a question')));
    writeFileSync(expectedFile, ANSWER);
  });
  afterEach(() => {
    for (const session of sessions) session.destroy();
    server?.close();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A node:http2 server that does `handle` with each request once it has come whole; runs the load and answers its result. */
  async function run(
    handle: (stream: ServerHttp2Stream, body: Buffer) => void,
    job: Partial<LoadJob> = {},
    settings: { readonly maxConcurrentStreams?: number } = {},
  ): Promise<LoadResult> {
    server = createServer({ settings });
    server.on('session', (session) => sessions.add(session));
    server.on('stream', (stream) => {
      const parts: Buffer[] = [];
      stream.on('error', () => undefined); // the run is over
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.once('end', () => {
        if (!stream.destroyed) handle(stream, Buffer.concat(parts));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return await startLoad({
      ...{ host: '127.0.0.1', port: (server.address() as AddressInfo).port, tls: false, path: '/a.Service/Ask' },
      ...{ headers: {}, bodyFile, expectedFile, connections: 2, warmUp: 0, pids: { front: process.pid } },
      ...{ pace: { kind: 'closed', inFlight: 4 }, until: { kind: 'answers', count: 200 } },
      ...job,
    });
  }

  it('counts answers of the right status and bytes, times each, and tells the processor time of the processes named', async () => {
    const result = await run((stream) => answer(stream, ANSWER, '0'));
    expect(result).toMatchObject({ answers: 200, failed: 0, latencies: { count: 200 } });
    expect(result.latencies.p50Us).toBeGreaterThan(0);
    expect(result.latencies.maxUs).toBeGreaterThanOrEqual(result.latencies.p999Us);
    expect(Object.keys(result.cpuSeconds)).toEqual(['front', 'load']);
  });

  it.each([
    ['another status', 'grpc-status is not 0', (stream: ServerHttp2Stream) => answer(stream, ANSWER, '13')],
    [
      'no status',
      'the answer ended without a status',
      (stream: ServerHttp2Stream) => answer(stream, ANSWER, undefined),
    ],
    [
      'another byte',
      'the answer has other bytes',
      (stream: ServerHttp2Stream) => answer(stream, Buffer.from('the enswer'), '0'),
    ],
    [
      'a byte less',
      'the answer has other bytes',
      (stream: ServerHttp2Stream) => answer(stream, ANSWER.subarray(0, 9), '0'),
    ],
    [
      'a byte more',
      'the answer has other bytes',
      (stream: ServerHttp2Stream) => answer(stream, Buffer.from(`${ANSWER.toString()}!`), '0'),
    ],
    [
      'an HTTP status',
      'the HTTP status is not 200',
      (stream: ServerHttp2Stream) => {
        stream.respond({ ':status': 503 });
        stream.end('x');
      },
    ],
    ['a reset', 'reset with error 2', (stream: ServerHttp2Stream) => stream.close(2)],
  ])('counts an answer with %s as failed', async (_what, firstFailure, handle) => {
    expect(await run(handle)).toMatchObject({ answers: 200, failed: 200, firstFailure });
  });

  it('sends a body that is larger than the windows of its peer whole, and no faster than they open', async () => {
    const body = framed(Buffer.alloc(600_000, 7));
    writeFileSync(bodyFile, body);
    const result = await run(
      (stream, received) => answer(stream, received.equals(body) ? ANSWER : Buffer.alloc(0), '0'),
      {
        until: { kind: 'answers', count: 20 },
      },
    );
    expect(result).toMatchObject({ answers: 20, failed: 0 });
  });

  it('opens no more calls than its peer allows', async () => {
    const result = await run((stream) => answer(stream, ANSWER, '0'), {}, { maxConcurrentStreams: 2 });
    expect(result).toMatchObject({ answers: 200, failed: 0 });
  });

  it('keeps a rate and counts latencies from when a request was due, so that a stall is seen by all that it holds up', async () => {
    const stallMs = 300;
    let asked = 0;
    const result = await run(
      (stream) => {
        if (++asked === 20) stopFor(stallMs);
        answer(stream, ANSWER, '0');
      },
      { pace: { kind: 'open', perSecond: 200, everyMs: 1 }, until: { kind: 'time', ms: 1_000 } },
    );
    expect(result.failed).toBe(0);
    expect(result.answers).toBeGreaterThan(150);
    expect(result.latencies.maxUs).toBeGreaterThan(0.9 * stallMs * 1_000);
    // 60 of 200 requests were due meanwhile: a loop that waits for answers would have seen two of them.
    expect(result.latencies.p99Us).toBeGreaterThan(0.5 * stallMs * 1_000);
  });
});

/** Holds this process up, as a collection of garbage does. */
function stopFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
