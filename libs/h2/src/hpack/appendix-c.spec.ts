import { hex, indexed, sizeUpdate } from './header-block.testkit';
import { HpackDecoder } from './hpack-decoder';
import { HpackEncoder } from './hpack-encoder';

type Field = readonly [name: string, value: string];

/** One header block of an example, and the dynamic table behind it, the newest field first. */
interface Block {
  readonly octets: string;
  readonly huffmanOctets?: string;
  readonly fields: readonly Field[];
  readonly table: readonly Field[];
  readonly tableBytes: number;
}

const LIMITS = { headerListBytes: 8_192, headerFields: 100, headerTableBytes: 4_096 };

const authority: Field = [':authority', 'www.example.com'];
const noCache: Field = ['cache-control', 'no-cache'];
const custom: Field = ['custom-key', 'custom-value'];
const isPrivate: Field = ['cache-control', 'private'];
const date: Field = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
const laterDate: Field = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'];
const location: Field = ['location', 'https://www.example.com'];
const gzip: Field = ['content-encoding', 'gzip'];
const cookie: Field = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'];

/** C.3 without Huffman's code, C.4 with it. */
const REQUESTS: readonly Block[] = [
  {
    octets: '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    huffmanOctets: '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    fields: [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], authority],
    table: [authority],
    tableBytes: 57,
  },
  {
    octets: '8286 84be 5808 6e6f 2d63 6163 6865',
    huffmanOctets: '8286 84be 5886 a8eb 1064 9cbf',
    fields: [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], authority, noCache],
    table: [noCache, authority],
    tableBytes: 110,
  },
  {
    octets: '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    huffmanOctets: '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    fields: [[':method', 'GET'], [':scheme', 'https'], [':path', '/index.html'], authority, custom],
    table: [custom, noCache, authority],
    tableBytes: 164,
  },
];

/** C.5 without Huffman's code, C.6 with it; the table has 256 bytes, so that fields are evicted. */
const RESPONSES: readonly Block[] = [
  {
    octets: `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
      546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
    huffmanOctets: `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
      1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
    fields: [[':status', '302'], isPrivate, date, location],
    table: [location, date, isPrivate, [':status', '302']],
    tableBytes: 222,
  },
  {
    octets: '4803 3330 37c1 c0bf',
    huffmanOctets: '4883 640e ffc1 c0bf',
    fields: [[':status', '307'], isPrivate, date, location],
    table: [[':status', '307'], location, date, isPrivate],
    tableBytes: 222,
  },
  {
    octets: `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
      6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
      2076 6572 7369 6f6e 3d31`,
    huffmanOctets: `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
      e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    fields: [[':status', '200'], isPrivate, laterDate, location, gzip, cookie],
    table: [cookie, gzip, laterDate],
    tableBytes: 215,
  },
];

/** C.2: each by itself. */
const SINGLE_FIELDS: readonly (readonly [string, Block])[] = [
  [
    'C.2.1, to be remembered',
    {
      octets: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
      fields: [['custom-key', 'custom-header']],
      table: [['custom-key', 'custom-header']],
      tableBytes: 55,
    },
  ],
  [
    'C.2.2, not to be remembered',
    { octets: '040c 2f73 616d 706c 652f 7061 7468', fields: [[':path', '/sample/path']], table: [], tableBytes: 0 },
  ],
  [
    'C.2.3, never to be remembered',
    {
      octets: '1008 7061 7373 776f 7264 0673 6563 7265 74',
      fields: [['password', 'secret']],
      table: [],
      tableBytes: 0,
    },
  ],
  ['C.2.4, static', { octets: '82', fields: [[':method', 'GET']], table: [], tableBytes: 0 }],
];

/** What the decoder's table holds, as it answers to its indices. */
function tableOf(decoder: HpackDecoder, length: number): { table: string[]; tableBytes: number } {
  const indices = Array.from({ length }, (_, age) => indexed(62 + age));
  const { fields, listBytes } = decoder.decode(Buffer.concat(indices));
  return { table: fields, tableBytes: listBytes };
}

function expectDecoded(decoder: HpackDecoder, octets: string, block: Block): void {
  expect(decoder.decode(hex(octets)).fields).toEqual(block.fields.flat());
  const { table, tableBytes } = block;
  expect(tableOf(decoder, table.length)).toEqual({ table: table.flat(), tableBytes });
  expect(() => decoder.decode(indexed(62 + table.length))).toThrow('beyond the tables');
}

function encoded(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  const octets = Buffer.alloc(1_024);
  return octets.subarray(0, encoder.encode(fields.flat(), octets, 0));
}

function expectEncoded(encoder: HpackEncoder, block: Block, before: Buffer = Buffer.alloc(0)): void {
  expect(encoded(encoder, block.fields)).toEqual(Buffer.concat([before, hex(block.octets)]));
  expect(encoded(encoder, block.table)).toEqual(Buffer.concat(block.table.map((_, age) => indexed(62 + age))));
}

describe("the examples of RFC 7541's appendix C", () => {
  describe.each(SINGLE_FIELDS)('%s', (_title, block) => {
    it('is decoded', () => {
      expectDecoded(new HpackDecoder(LIMITS), block.octets, block);
    });

    it('is what the encoder writes', () => {
      expectEncoded(new HpackEncoder(new Set(['custom-key']), new Set(['password'])), block);
    });
  });

  it.each<[string, (block: Block) => string]>([
    ['C.3', (block) => block.octets],
    ['C.4', (block) => block.huffmanOctets ?? ''],
  ])('%s: requests are decoded, with the table that each leaves', (_title, octetsOf) => {
    const decoder = new HpackDecoder(LIMITS);
    for (const block of REQUESTS) expectDecoded(decoder, octetsOf(block), block);
  });

  it.each<[string, (block: Block) => string]>([
    ['C.5', (block) => block.octets],
    ['C.6', (block) => block.huffmanOctets ?? ''],
  ])('%s: responses are decoded, with the fields that each evicts', (_title, octetsOf) => {
    const decoder = new HpackDecoder(LIMITS);
    decoder.decode(sizeUpdate(256));
    for (const block of RESPONSES) expectDecoded(decoder, octetsOf(block), block);
  });

  it('C.3: requests are what the encoder writes', () => {
    const encoder = new HpackEncoder(new Set([':authority', 'cache-control', 'custom-key']));
    for (const block of REQUESTS) expectEncoded(encoder, block);
  });

  it('C.5: responses are what the encoder writes, behind the size that the peer wants', () => {
    const names = [':status', 'cache-control', 'date', 'location', 'content-encoding', 'set-cookie'];
    const encoder = new HpackEncoder(new Set(names));
    encoder.setTableLimit(256);
    RESPONSES.forEach((block, index) => {
      expectEncoded(encoder, block, index === 0 ? sizeUpdate(256) : Buffer.alloc(0));
    });
  });
});
