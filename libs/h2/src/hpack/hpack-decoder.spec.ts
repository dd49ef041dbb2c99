import { ErrorCode } from '../frames/error-code';
import { ConnectionError } from '../frames/h2-error';
import { EDGE_LIMITS } from '../limits';
import { hex, huffman, indexed, integer, literal, plain, sizeUpdate } from './header-block.testkit';
import { HpackDecoder } from './hpack-decoder';

/** All of one octet of `first`'s kind, then continuation octets without end. */
const endless = (first: number): Buffer => Buffer.of(first, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);

const BROKEN: [what: string, block: Buffer, why: string][] = [
  ['index 0', Buffer.of(0x80), 'index 0'],
  ['an index behind the static table while the other is empty', indexed(62), 'index 62 is beyond the tables'],
  ['an index behind the dynamic table', Buffer.concat([literal(0x40, 'a', 'b'), indexed(63)]), 'which end at 62'],
  ['an index far beyond', indexed(2 ** 27), 'beyond the tables'],
  ['a name by an index beyond', Buffer.concat([integer(0x40, 0x3f, 62), plain('v')]), 'index 62'],
  ['a name by an index beyond, not indexed', Buffer.concat([integer(0x00, 0x0f, 99), plain('v')]), 'index 99'],
  ['a name by an index beyond, never indexed', Buffer.concat([integer(0x10, 0x0f, 99), plain('v')]), 'index 99'],
  ['an index of 6 octets, though it is small', endless(0xff), 'more than 5 octets'],
  ['an index of 2^31', hex('ff 81ff ffff 07'), 'more than 5 octets'],
  ['an index of more than 64 bits', hex('ff ffff ffff ffff ffff ffff 01'), 'more than 5 octets'],
  ['a name index of 6 octets', endless(0x7f), 'more than 5 octets'],
  ['a table size of 6 octets', endless(0x3f), 'more than 5 octets'],
  ['a string length of 6 octets', Buffer.concat([hex('00'), endless(0x7f)]), 'more than 5 octets'],
  ['an index that is cut off', Buffer.of(0xff), 'cut off'],
  ['an index that is cut off later', Buffer.of(0xff, 0x80, 0x80), 'cut off'],
  ['a field without a name', hex('40'), 'cut off'],
  ['a field without a value', Buffer.concat([hex('40'), plain('name')]), 'cut off'],
  ['a name that is cut off', hex('00 05 61'), 'longer than its header block'],
  ['a value that is cut off', Buffer.concat([hex('00'), plain('name'), hex('02 61')]), 'longer than its header block'],
  ['a Huffman-coded value that is cut off', hex('00 01 61 83 1c'), 'longer than its header block'],
  ['a length of 2^28', hex('00 7f ffff ff7f'), 'longer than its header block'],
  ['Huffman padding of 8 bits', hex('00 01 61 82 1f ff'), 'not Huffman-coded by the rules'],
  ['Huffman padding of zeros', hex('00 01 61 81 18'), 'not Huffman-coded by the rules'],
  ['END_OF_STRING', hex('00 01 61 84 ffff ffff'), 'not Huffman-coded by the rules'],
  ['END_OF_STRING in a name', hex('00 84 ffff ffff 01 61'), 'not Huffman-coded by the rules'],
  ['a table size above ours', sizeUpdate(4_097), 'a table size update to 4097 is over the 4096 of our SETTINGS'],
  ['a table size behind a field', Buffer.concat([indexed(2), sizeUpdate(0)]), 'behind a field'],
  ['three table sizes', Buffer.concat([sizeUpdate(0), sizeUpdate(1), sizeUpdate(2)]), 'more than 2 table size updates'],
];

/** `count` fields of 100 bytes each, as the list reckons them. */
function hundreds(count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => literal(0x00, 'x'.repeat(18), 'v'.repeat(50))));
}

describe('HpackDecoder', () => {
  it.each(BROKEN)('ends the connection at %s', (_what, block, why) => {
    const decode = (): unknown => new HpackDecoder(EDGE_LIMITS).decode(block);
    expect(decode).toThrow(ConnectionError);
    expect(decode).toThrow(expect.objectContaining({ code: ErrorCode.COMPRESSION_ERROR }) as Error);
    expect(decode).toThrow(why);
  });

  it('decodes an empty block to no fields', () => {
    expect(new HpackDecoder(EDGE_LIMITS).decode(Buffer.alloc(0))).toEqual({
      fields: [],
      listBytes: 0,
      tooLarge: false,
    });
  });

  it('decodes an integer that takes more octets than it needs, but not more than 5', () => {
    const block = Buffer.concat([hex('00 01 61 7f 8180 8000'), Buffer.alloc(128, 'v')]);
    expect(new HpackDecoder(EDGE_LIMITS).decode(block).fields).toEqual(['a', 'v'.repeat(128)]);
  });

  it('keeps octets above 127, plain and Huffman-coded', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)).toString('latin1');
    for (const string of [plain, huffman]) {
      const { fields } = new HpackDecoder(EDGE_LIMITS).decode(literal(0x00, all, all, string));
      expect(fields).toEqual([all, all]);
    }
  });

  it('decodes a field as long as a block may be, Huffman-coded', () => {
    const value = 'e'.repeat(26_000);
    const limits = { ...EDGE_LIMITS, headerListBytes: 30_000 };
    expect(new HpackDecoder(limits).decode(literal(0x00, 'long', value, huffman)).fields).toEqual(['long', value]);
  });

  it('keeps its strings when the block is written over', () => {
    const block = literal(0x40, 'name', 'value');
    const decoder = new HpackDecoder(EDGE_LIMITS);
    const { fields } = decoder.decode(block);
    block.fill(0);
    expect([...fields, ...decoder.decode(indexed(62)).fields]).toEqual(['name', 'value', 'name', 'value']);
  });

  it('tells names apart that differ in one octet, or in length', () => {
    const decoder = new HpackDecoder({ ...EDGE_LIMITS, headerFields: 10_000, headerListBytes: 1_000_000 });
    const names = Array.from({ length: 3_000 }, (_, count) => `x-${String.fromCharCode(97 + (count % 26))}-${count}`);
    const block = Buffer.concat(names.map((name) => literal(0x00, name, '')));
    for (let round = 0; round < 2; round++) {
      expect(decoder.decode(block).fields.filter((_, index) => index % 2 === 0)).toEqual(names);
    }
  });
});

describe('a header list', () => {
  it('counts 32 bytes a field beside name and value', () => {
    expect(new HpackDecoder(EDGE_LIMITS).decode(hundreds(3)).listBytes).toBe(300);
  });

  it.each([
    ['bytes, just within', { headerListBytes: 500 }, { kept: 5, tooLarge: false }],
    ['bytes, one over', { headerListBytes: 499 }, { kept: 4, tooLarge: true }],
    ['fields, just within', { headerFields: 5 }, { kept: 5, tooLarge: false }],
    ['fields, one over', { headerFields: 4 }, { kept: 4, tooLarge: true }],
  ])('is measured by its limit of %s', (_what, limits, expected) => {
    const decoder = new HpackDecoder({ ...EDGE_LIMITS, ...limits });
    const { fields, tooLarge, listBytes } = decoder.decode(hundreds(5));
    expect({ kept: fields.length / 2, tooLarge }).toEqual(expected);
    expect(listBytes).toBe(500);
  });

  it('that is too large keeps nothing behind the first field that did not fit, even if it would', () => {
    const block = Buffer.concat([indexed(2), literal(0x00, 'x', 'v'.repeat(9_000)), indexed(3)]);
    const { fields, tooLarge } = new HpackDecoder(EDGE_LIMITS).decode(block);
    expect({ fields, tooLarge }).toEqual({ fields: [':method', 'GET'], tooLarge: true });
  });

  it('that is too large leaves the table as its sender has it', () => {
    const decoder = new HpackDecoder({ ...EDGE_LIMITS, headerFields: 1 });
    const first = decoder.decode(
      Buffer.concat([indexed(2), literal(0x40, 'mine', 'first'), literal(0x40, 'mine', 'last')]),
    );
    expect(first).toMatchObject({ fields: [':method', 'GET'], tooLarge: true });
    expect(decoder.decode(indexed(62)).fields).toEqual(['mine', 'last']);
    expect(decoder.decode(indexed(63)).fields).toEqual(['mine', 'first']);
  });

  it('that is too large is still checked to its end', () => {
    const block = Buffer.concat([hundreds(200), Buffer.of(0x80)]);
    expect(() => new HpackDecoder(EDGE_LIMITS).decode(block)).toThrow('index 0');
  });

  it('of small references to one large field is counted in full and kept to the limit', () => {
    const decoder = new HpackDecoder(EDGE_LIMITS);
    decoder.decode(literal(0x40, 'a', 'v'.repeat(4_000)));
    const { fields, listBytes, tooLarge } = decoder.decode(Buffer.alloc(16_384, 0xbe));
    expect({ kept: fields.length / 2, listBytes, tooLarge }).toEqual({
      kept: 2,
      listBytes: 16_384 * 4_033,
      tooLarge: true,
    });
  });

  it('is the same string for a field from the table each time, so that many lists of it cost little', () => {
    const decoder = new HpackDecoder({ ...EDGE_LIMITS, headerListBytes: 1_000_000 });
    decoder.decode(literal(0x40, 'a', 'v'.repeat(4_000)));
    const lists: string[][] = [];
    const before = process.memoryUsage().heapUsed;
    for (let count = 0; count < 100; count++) lists.push(decoder.decode(Buffer.alloc(100, 0xbe)).fields);
    // 10,000 values of 4,000 octets would be 40 MB
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
    expect(lists.flat()).toHaveLength(20_000);
  });
});

describe("the decoder's table", () => {
  const fieldCount = (decoder: HpackDecoder): number => {
    for (let count = 0; ; count++) {
      try {
        decoder.decode(indexed(62 + count));
      } catch {
        return count;
      }
    }
  };
  const filled = (limits: Partial<typeof EDGE_LIMITS> = {}): HpackDecoder => {
    const decoder = new HpackDecoder({ ...EDGE_LIMITS, ...limits });
    // 100 bytes each
    for (let count = 0; count < 100; count++) decoder.decode(literal(0x40, 'x'.repeat(18), 'v'.repeat(50)));
    return decoder;
  };

  it('holds 4,096 bytes before anything is agreed on', () => {
    expect(fieldCount(filled())).toBe(40);
  });

  it.each([
    ['shrinks to 1,000 bytes', [1_000], 10],
    ['shrinks to nothing', [0], 0],
    ['is emptied by 0 and then 4,096', [0, 4_096], 0],
    ['keeps what the lowest of two sizes holds', [250, 1_000], 2],
    ['stays when it is told its own size', [4_096], 40],
  ])('%s', (_what, sizes, expected) => {
    const decoder = filled();
    decoder.decode(Buffer.concat(sizes.map(sizeUpdate)));
    expect(fieldCount(decoder)).toBe(expected);
  });

  it('keeps nothing while its size is 0, and goes on without an error', () => {
    const decoder = filled();
    decoder.decode(sizeUpdate(0));
    expect(decoder.decode(literal(0x40, 'a', 'b')).fields).toEqual(['a', 'b']);
    expect(fieldCount(decoder)).toBe(0);
  });

  it('grows to what our SETTINGS allow once the peer says so, not before', () => {
    const decoder = filled({ headerTableBytes: 8_192 });
    expect(fieldCount(decoder)).toBe(40);
    decoder.decode(sizeUpdate(8_192));
    for (let count = 0; count < 100; count++) decoder.decode(literal(0x40, 'x'.repeat(18), 'v'.repeat(50)));
    expect(fieldCount(decoder)).toBe(81);
  });

  it('is not left by a name that its own field evicts', () => {
    const decoder = new HpackDecoder(EDGE_LIMITS);
    decoder.decode(Buffer.concat([sizeUpdate(100), literal(0x40, 'name', 'v'.repeat(60))]));
    const block = Buffer.concat([integer(0x40, 0x3f, 62), plain('w'.repeat(60))]);
    expect(decoder.decode(block).fields).toEqual(['name', 'w'.repeat(60)]);
    expect(decoder.decode(indexed(62)).fields).toEqual(['name', 'w'.repeat(60)]);
  });
});
