import { EDGE_LIMITS } from '../limits';
import { hex, indexed, literal, plain, sizeUpdate } from './header-block.testkit';
import { HpackDecoder } from './hpack-decoder';
import { HpackEncoder } from './hpack-encoder';

function encoded(encoder: HpackEncoder, ...fields: string[]): Buffer {
  const octets = Buffer.alloc(encoder.sizeBound(fields));
  return octets.subarray(0, encoder.encode(fields, octets, 0));
}

describe('HpackEncoder', () => {
  const indexing = (): HpackEncoder =>
    new HpackEncoder(new Set(['x-often', ':path', 'etag']), new Set(['x-secret', 'authorization']));

  it.each<[string, string[], Buffer]>([
    ['a field of the static table by its index', [':method', 'POST'], indexed(3)],
    [
      'a name of the static table by its index',
      ['content-type', 'application/grpc'],
      Buffer.concat([hex('0f 10'), plain('application/grpc')]),
    ],
    ['an empty value of the static table by its index', ['etag', ''], indexed(34)],
    ['a name that comes often so that it is remembered', ['x-often', 'a'], literal(0x40, 'x-often', 'a')],
    ['any other name so that it is not', ['x-seldom', 'a'], literal(0x00, 'x-seldom', 'a')],
    ['a secret so that nobody remembers it', ['x-secret', 'a'], literal(0x10, 'x-secret', 'a')],
    ['a secret with a static name', ['authorization', 'a'], Buffer.concat([hex('1f 08'), plain('a')])],
    [
      'a value of 127 octets with its length in two',
      ['a', 'v'.repeat(127)],
      Buffer.concat([hex('00 01 61 7f 00'), Buffer.alloc(127, 'v')]),
    ],
    ['octets above 127 as they are', ['a', '\u00e4\u00ff'], hex('00 01 61 02 e4 ff')],
  ])('writes %s', (_what, fields, octets) => {
    expect(encoded(indexing(), ...fields)).toEqual(octets);
  });

  it('writes a field that it has written before in one octet', () => {
    const encoder = indexing();
    encoded(encoder, 'x-often', 'a', ':path', '/b');
    expect(encoded(encoder, 'x-often', 'a', ':path', '/b')).toEqual(Buffer.concat([indexed(63), indexed(62)]));
  });

  it('writes another value of a remembered name with the name by its index', () => {
    const encoder = indexing();
    encoded(encoder, 'x-often', 'a');
    expect(encoded(encoder, 'x-often', 'b')).toEqual(Buffer.concat([hex('7e'), plain('b')]));
  });

  it('writes a field anew when it has been evicted', () => {
    const encoder = indexing();
    encoded(encoder, 'x-often', 'first');
    for (let count = 0; count < 1_000; count++) encoded(encoder, 'x-often', `another ${count}`);
    expect(encoded(encoder, 'x-often', 'first')).toEqual(Buffer.concat([hex('7e'), plain('first')]));
  });

  it('does not let a field of over half the table push the others out', () => {
    const encoder = indexing();
    encoded(encoder, 'x-often', 'a');
    encoded(encoder, 'x-often', 'v'.repeat(2_100), ':path', '/' + 'p'.repeat(2_100));
    expect(encoded(encoder, 'x-often', 'a')).toEqual(indexed(62));
  });

  it('never remembers a secret, even if it is among those that come often', () => {
    const encoder = new HpackEncoder(new Set(['x-secret']), new Set(['x-secret']));
    for (let count = 0; count < 2; count++)
      expect(encoded(encoder, 'x-secret', 'a')).toEqual(literal(0x10, 'x-secret', 'a'));
  });

  it.each([1, 20, 40, 41, 300])('writes a question mark for each character that is no octet, among %i', (length) => {
    // cut down to their lower octets these would be a line feed, a zero and half of each pair
    const value = `\u010a\u0100\u{1f600}${'x'.repeat(length)}\u010d`;
    expect(encoded(indexing(), 'a', value)).toEqual(literal(0x00, 'a', `????${'x'.repeat(length)}?`));
  });

  it('writes where it is told to, and says where it ended', () => {
    const octets = Buffer.alloc(100, 0x2e);
    const at = indexing().encode(['a', 'b'], octets, 10);
    expect(octets.toString('latin1', 0, at + 1)).toBe('..........\u0000\u0001a\u0001b.');
  });

  it('refuses a buffer that may be too small, and has remembered nothing then', () => {
    const encoder = indexing();
    encoder.setTableLimit(2_000);
    const fields = ['x-often', 'a'];
    const bound = encoder.sizeBound(fields);
    expect(() => encoder.encode(fields, Buffer.alloc(bound + 4), 5)).toThrow(RangeError);
    expect(encoded(encoder, ...fields)).toEqual(Buffer.concat([sizeUpdate(2_000), literal(0x40, 'x-often', 'a')]));
  });

  it.each([[''], ['v'], ['v'.repeat(127)], ['v'.repeat(20_000)], ['\u00ff'.repeat(300)]])(
    'fits into its bound with two new sizes and a value like %j',
    (value) => {
      const encoder = new HpackEncoder(new Set());
      encoder.setTableLimit(100);
      encoder.setTableLimit(4_096);
      const fields = Array.from({ length: 50 }, (_, count) => [`name-${count}`, value]).flat();
      expect(encoded(encoder, ...fields).length).toBeLessThanOrEqual(encoder.sizeBound(fields));
    },
  );
});

describe("the peer's table size", () => {
  it.each<[string, number[], number[]]>([
    ['says nothing when it is the default', [4_096], []],
    ['says nothing when it is larger than ours', [65_536], []],
    ['says nothing at all without SETTINGS', [], []],
    ['tells a smaller one', [1_000], [1_000]],
    ['tells 0', [0], [0]],
    ['tells the lowest between two blocks, and the last', [2_000, 100, 3_000], [100, 3_000]],
    ['tells the lowest even if the last is what it was', [0, 4_096], [0, 4_096]],
    ['tells one when the last is the lowest', [3_000, 100], [100]],
  ])('%s', (_what, limits, told) => {
    const encoder = new HpackEncoder(new Set(['x-often']));
    for (const limit of limits) encoder.setTableLimit(limit);
    expect(encoded(encoder, ':method', 'POST')).toEqual(Buffer.concat([...told.map(sizeUpdate), indexed(3)]));
    expect(encoded(encoder, ':method', 'POST')).toEqual(indexed(3));
  });

  it('tells that it has grown again', () => {
    const encoder = new HpackEncoder(new Set());
    for (const [limit, told] of [
      [100, 100],
      [4_096, 4_096],
      [70_000, undefined],
    ] as const) {
      encoder.setTableLimit(limit);
      const update = told === undefined ? [] : [sizeUpdate(told)];
      expect(encoded(encoder, ':method', 'POST')).toEqual(Buffer.concat([...update, indexed(3)]));
    }
  });

  it('of 0 lets it write on without a table', () => {
    const encoder = new HpackEncoder(new Set(['x-often']));
    encoder.setTableLimit(0);
    const decoder = new HpackDecoder(EDGE_LIMITS);
    for (let count = 0; count < 3; count++) {
      expect(decoder.decode(encoded(encoder, 'x-often', 'a')).fields).toEqual(['x-often', 'a']);
    }
  });
});
