import { ErrorCode } from '../frames/error-code';
import { FrameType, Setting } from '../frames/frame';
import { clientStreamId, endsWith, opening, resetOn } from '../testkit/attack';
import { callFields, fieldOf, grpcMessage } from '../testkit/grpc-request';
import {
  hpackInteger,
  hpackString,
  indexedField,
  literalBlock,
  literalField,
  rememberedField,
  tableSizeUpdate,
} from '../testkit/header-block';
import { Neighbour } from '../testkit/neighbour';
import { answerOn, rawCall } from '../testkit/raw-call';
import { continuationFrame, dataFrame, headersFrame, pingFrame } from '../testkit/raw-frame';
import { RawPeer } from '../testkit/raw-peer';
import { Target, TargetPath } from '../testkit/target';
import { VictimProcess } from '../testkit/victim-process';

// CVE-2024-27316 and its like (CONTINUATION), CVE-2016-6581 (HPACK bomb), CVE-2026-47774 (HTTP/2 Bomb), CVE-2024-7246 (a table out of step).

const MIB = 2 ** 20;
const NOTHING = Buffer.alloc(0);
const REQUEST = literalBlock(callFields(TargetPath.ECHO));

let target: Target;
let neighbour: Neighbour;

beforeEach(async () => {
  target = await Target.start({ limits: { headerBlockWithinMs: 300 } });
  neighbour = await Neighbour.start(target.port);
});

afterEach(async () => {
  await neighbour.stop();
  await target.close();
  expect(target.internalErrors).toEqual([]);
});

describe('CONTINUATION', () => {
  test.each([
    ['with bytes', literalField('a', 'b')],
    ['without any', NOTHING],
  ])('100,000 times, %s, ends the connection at the ninth', async (_name, fragment) => {
    const peer = await target.open();
    peer.send(headersFrame(1, REQUEST, { endHeaders: false }));
    const sent = await peer.flood(100_000, () => continuationFrame(1, fragment, false), 9);
    await endsWith(peer, ErrorCode.ENHANCE_YOUR_CALM);
    expect(sent).toBeLessThan(100_000);
  });

  test('within its limits makes one request', async () => {
    const peer = await target.open();
    peer.send(
      headersFrame(1, REQUEST.subarray(0, 1), { endHeaders: false }),
      ...Array.from({ length: 7 }, (_, i) => continuationFrame(1, REQUEST.subarray(i + 1, i + 2), false)),
      continuationFrame(1, REQUEST.subarray(8), true),
      dataFrame(1, grpcMessage('in nine pieces'), { end: true }),
    );
    expect(String((await answerOn(peer, 1)).messages)).toBe('in nine pieces');
    await peer.close();
  });

  test('of more bytes than a block may have ends the connection', async () => {
    const peer = await target.open();
    peer.send(
      headersFrame(1, Buffer.alloc(16_000, literalField('a', 'b')), { endHeaders: false }),
      continuationFrame(1, Buffer.alloc(1_000, literalField('a', 'b')), true),
    );
    await endsWith(peer, ErrorCode.ENHANCE_YOUR_CALM);
  });

  test('that does not come in time ends the connection', async () => {
    const peer = await target.open();
    peer.send(headersFrame(1, REQUEST, { endHeaders: false }));
    await endsWith(peer, ErrorCode.ENHANCE_YOUR_CALM);
  });

  test.each([
    ['a PING', pingFrame()],
    ['DATA of another stream', dataFrame(3, NOTHING)],
    ['CONTINUATION of another stream', continuationFrame(3, NOTHING, true)],
    ['HEADERS', opening(3, TargetPath.ECHO)],
  ])('with %s before it ends the connection', async (_name, between) => {
    const peer = await target.open();
    peer.send(headersFrame(1, REQUEST, { endHeaders: false }), between, continuationFrame(1, NOTHING, true));
    await endsWith(peer, ErrorCode.PROTOCOL_ERROR);
  });
});

describe('a list over the limits', () => {
  const overSize = rememberedField('x-big', 'v'.repeat(4_000));
  const overs: readonly [string, Buffer][] = [
    ['in bytes, by references to one big entry', Buffer.concat([overSize, ...repeat(indexedField(62), 11_000)])],
    ['in bytes, of literals', Buffer.concat(repeat(literalField('x', 'v'.repeat(980)), 9))],
    ['in fields', Buffer.concat(repeat(literalField('x', ''), 101))],
    [
      'in fields, by references to an empty entry',
      Buffer.concat([rememberedField('x', ''), ...repeat(indexedField(62), 200)]),
    ],
  ];

  test.each(overs)('%s is refused, and what it left in the table is there for the next call', async (_name, more) => {
    const peer = await target.open();
    peer.send(headersFrame(1, Buffer.concat([REQUEST, more, rememberedField('x-last', 'right')]), { end: true }));
    const refused = await answerOn(peer, 1);
    expect(refused.status).toBe('8'); // RESOURCE_EXHAUSTED
    expect(target.begun - neighbour.calls).toBeLessThanOrEqual(1);

    const next = Buffer.concat([literalBlock(callFields(TargetPath.METADATA)), indexedField(62)]);
    peer.send(headersFrame(3, next), dataFrame(3, grpcMessage(''), { end: true }));
    const metadata = JSON.parse(String((await answerOn(peer, 3)).messages)) as [string, string][];
    expect(metadata).toContainEqual(['x-last', 'right']);
    await peer.close();
  });
});

describe('bombs', () => {
  let victim: VictimProcess;

  beforeAll(async () => {
    victim = await VictimProcess.start();
  });

  afterAll(() => victim.close());

  test('of references in 10,000 open streams with a closed window keep within 16 MB', async () => {
    const beside = await Neighbour.start(victim.port);
    const peer = await RawPeer.open(victim.port, [[Setting.INITIAL_WINDOW_SIZE, 0]]);
    const first = Buffer.concat([rememberedField('x', 'v'.repeat(40)), ...repeat(indexedField(62), 80)]);
    const later = Buffer.concat(repeat(indexedField(62), 80));
    const growthBytes = await victim.growthDuring(async () => {
      await peer.flood(10_000, (i) => {
        const block = Buffer.concat([literalBlock(callFields(TargetPath.COUNT)), i === 0 ? first : later]);
        return headersFrame(clientStreamId(i), block);
      });
    });
    await peer.closed();
    await beside.stop();
    expect(growthBytes).toBeLessThanOrEqual(16 * MIB);
    expect((await victim.report()).runningMost).toBeLessThanOrEqual(101);
  });

  test('of one entry, referred to as often as a block has room, again and again, keep within 16 MB', async () => {
    const peer = await RawPeer.open(victim.port, [], { credits: 'lots' });
    const bomb = Buffer.concat([rememberedField('x', 'v'.repeat(4_000)), ...repeat(indexedField(62), 11_000)]);
    const growthBytes = await victim.growthDuring(async () => {
      for (let i = 0; i < 200; i += 1) {
        peer.send(headersFrame(clientStreamId(i), Buffer.concat([REQUEST, bomb]), { end: true }));
        expect((await answerOn(peer, clientStreamId(i))).status).toBe('8');
      }
    });
    expect(growthBytes).toBeLessThanOrEqual(16 * MIB);
    await peer.close();
  });
});

test('10,000 empty header names are malformed, each of them, until it is enough', async () => {
  const peer = await target.open();
  peer.send(headersFrame(1, Buffer.concat([REQUEST, literalField('', 'x')]), { end: true }));
  expect(await resetOn(peer, 1)).toBe('PROTOCOL_ERROR');
  const block = Buffer.concat([REQUEST, literalField('', 'x')]);
  await peer.flood(10_000, (i) => headersFrame(clientStreamId(i + 1), block, { end: true }));
  await endsWith(peer, ErrorCode.ENHANCE_YOUR_CALM);
  expect(target.begun - neighbour.calls).toBeLessThanOrEqual(1);
});

describe('HPACK that is wrong ends the connection:', () => {
  const wrong: readonly [string, Buffer][] = [
    ['an index of nothing', indexedField(0)],
    ['an index beyond the table', indexedField(62)],
    ['a literal whose name is beyond the table', Buffer.concat([hpackInteger(0x40, 6, 70), hpackString('x')])],
    ['an integer of six bytes', Buffer.of(0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)],
    ['an integer of zeros without end', Buffer.concat([Buffer.of(0xff), Buffer.alloc(1_000, 0x80)])],
    ['an integer beyond 2^32', Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)],
    [
      'a string longer than the block',
      Buffer.concat([Buffer.of(0x00), hpackInteger(0, 7, 4_000), Buffer.from('short')]),
    ],
    ['a block that ends in a name', Buffer.of(0x00, 0x05, 0x61)],
    ['a size update after a field', Buffer.concat([REQUEST, tableSizeUpdate(0)])],
    ['a size update beyond what was agreed', Buffer.concat([tableSizeUpdate(4_097), REQUEST])],
    ['three size updates', Buffer.concat([...repeat(tableSizeUpdate(100), 3), REQUEST])],
    [
      'the end-of-string symbol',
      Buffer.concat([Buffer.of(0x00), hpackString('x'), Buffer.of(0x84, 0xff, 0xff, 0xff, 0xff)]),
    ],
    [
      'padding of Huffman codes by eight bits',
      Buffer.concat([Buffer.of(0x00), hpackString('x'), Buffer.of(0x82, 0x1f, 0xff)]),
    ],
    ['padding of Huffman codes by zeros', Buffer.concat([Buffer.of(0x00), hpackString('x'), Buffer.of(0x81, 0x18)])],
  ];

  test.each(wrong)('%s', async (_name, block) => {
    const peer = await target.open();
    peer.send(headersFrame(1, block, { end: true }));
    await endsWith(peer, ErrorCode.COMPRESSION_ERROR);
  });
});

test('our own table grows no larger than 4,096 bytes, whatever the peer offers', async () => {
  const peer = await target.open([[Setting.HEADER_TABLE_SIZE, 2 ** 31]], { credits: 'lots' });
  for (let i = 0; i < 200; i += 1) {
    // The reader's own table would lose step with one that is larger than HTTP/2's default.
    const answer = await rawCall(peer, clientStreamId(i), TargetPath.ECHO, 'x');
    expect(fieldOf(answer.headers, 'content-type')).toBe('application/grpc');
    expect(answer.status).toBe('0');
  }
  await peer.close();
});

test('a peer that keeps no table of ours is sent none', async () => {
  const peer = await target.open([[Setting.HEADER_TABLE_SIZE, 0]]);
  await peer.next('SETTINGS are acknowledged', ({ type, flags }) => type === FrameType.SETTINGS && flags === 1);
  for (let i = 0; i < 3; i += 1)
    expect((await rawCall(peer, clientStreamId(i), TargetPath.ECHO, 'x')).status).toBe('0');
  await peer.close();
});

function repeat(bytes: Buffer, times: number): Buffer[] {
  return Array.from({ length: times }, () => bytes);
}
