import { once } from 'node:events';
import { createServer, sensitiveHeaders, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { FrameType, Setting } from '../frames/frame';
import { EDGE_LIMITS } from '../limits';
import { headersFrame } from '../testkit/raw-frame';
import { RawPeer } from '../testkit/raw-peer';
import { HpackDecoder } from './hpack-decoder';
import { HpackEncoder } from './hpack-encoder';
import { latin1, pick, seeded, token, type Below } from './seeded.testkit';

const REPEATED = ['x-tenant', 'content-type', 'user-agent', 'grpc-encoding'];
const SECRET = ['authorization', 'x-key'];
const INDEXED = new Set([':path', ':authority', ...REPEATED]);
/** What node:http2 takes in a request and in an answer, of the static table. */
const STATIC = ['accept', 'age', 'etag', 'from', 'link', 'location', 'range', 'server', 'vary', 'www-authenticate'];

const AS_IT_IS = { endStream: true, sendDate: false };

/** Of the octets that a header value may have, with nothing at its edges that is left out by some. */
function someValue(below: Below): string {
  const length = pick(below, [0, below(12), below(60), below(1_500)]);
  return latin1(below, length).replaceAll(/[^\x21-\x7e\xa1-\xff]/g, 'o');
}

/** Each name once: a list goes through node:http2 as an object. */
function someFields(below: Below): string[] {
  const names = new Set(
    Array.from({ length: 2 + below(12) }, () =>
      pick(below, [...REPEATED, ...SECRET, ...STATIC, `x-${token(below, below(20))}`]),
    ),
  );
  return [...names].flatMap((name) => [name, below(3) === 0 ? someValue(below) : `value-${below(40)}`]);
}

/** Answers each request with its own fields, in their order, and keeps what it read. */
async function echo(headerTableSize: number): Promise<{ server: Http2Server; port: number; requests: string[][] }> {
  const requests: string[][] = [];
  const server = createServer({ settings: { headerTableSize } });
  server.on('stream', (stream: ServerHttp2Stream, _headers: unknown, _flags: unknown, raw: string[]) => {
    requests.push(raw);
    const answer: Record<string | symbol, string | number | string[]> = { ':status': 200, [sensitiveHeaders]: SECRET };
    for (let index = 0; index < raw.length; index += 2) {
      if (raw[index]?.startsWith(':') === false) answer[raw[index] as string] = raw[index + 1] as string;
    }
    stream.respond(answer, AS_IT_IS);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { server, port: (server.address() as AddressInfo).port, requests };
}

describe('node:http2', () => {
  it.each([
    ['the default tables', 4_096, 4_096],
    ['no table on either side', 0, 0],
    ['tables of 200 bytes', 200, 200],
    ['tables larger than are used', 65_536, 65_536],
    ['a table on the way there only', 4_096, 0],
  ])('reads what we write, and we read what it writes, with %s', async (_what, itsTable, ourTable) => {
    const below = seeded(31);
    const { server, port, requests } = await echo(itsTable);
    const peer = await RawPeer.open(port, [[Setting.HEADER_TABLE_SIZE, ourTable]]);
    const encoder = new HpackEncoder(INDEXED, new Set(SECRET));
    encoder.setTableLimit(itsTable);
    const decoder = new HpackDecoder({ headerListBytes: 100_000, headerFields: 100, headerTableBytes: ourTable });
    const octets = Buffer.alloc(EDGE_LIMITS.headerBlockBytes * 2);
    try {
      for (let streamId = 1; streamId < 800; streamId += 2) {
        const fields = someFields(below);
        const head = [':method', 'POST', ':scheme', 'http', ':path', `/method-${below(9)}`, ':authority', 'localhost'];
        const end = encoder.encode([...head, ...fields], octets, 0);
        peer.send(headersFrame(streamId, octets.subarray(0, end), { end: true }));
        const answer = await peer.next(
          'an answer',
          (frame) => frame.type === FrameType.HEADERS && frame.streamId === streamId,
        );
        expect(requests.pop()).toEqual([...head, ...fields]);
        expect(decoder.decode(answer.payload).fields).toEqual([':status', '200', ...fields]);
      }
    } finally {
      await peer.close();
      server.close();
      await once(server, 'close');
    }
  });
});
