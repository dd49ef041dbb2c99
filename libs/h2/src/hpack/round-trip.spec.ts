import { ConnectionError } from '../frames/h2-error';
import { EDGE_LIMITS } from '../limits';
import { huffman, literal, plain, sizeUpdate } from './header-block.testkit';
import { heapGrowthBytes } from './heap-growth.testkit';
import { HpackDecoder } from './hpack-decoder';
import { HpackEncoder } from './hpack-encoder';
import { latin1, pick, seeded, token, type Below } from './seeded.testkit';

const INDEXED = new Set([':path', ':authority', 'content-type', 'x-tenant', '']);
const SECRET = new Set(['authorization', 'x-key']);
const LIMITS = { ...EDGE_LIMITS, headerListBytes: 1_000_000, headerFields: 10_000 };
const out = Buffer.alloc(200_000);

function encoded(encoder: HpackEncoder, fields: readonly string[]): Buffer {
  return Buffer.from(out.subarray(0, encoder.encode(fields, out, 0)));
}

/** Names that are static, indexed, secret, empty or unknown; values that come again, or not, of any octets and lengths. */
function someFields(below: Below): string[] {
  return Array.from({ length: below(20) }, () => [
    pick(below, [':method', ':status', 'te', ...INDEXED, ...SECRET, token(below, below(30))]),
    pick(below, ['', 'POST', '200', `value-${below(30)}`, latin1(below, below(40)), latin1(below, below(3_000))]),
  ]).flat();
}

/** A block that uses all that RFC 7541 has, and breaks some of it. */
function someBlock(below: Below): Buffer {
  const parts = Array.from({ length: below(12) }, () => {
    const string = pick(below, [plain, huffman]);
    return pick(below, [
      () =>
        literal(pick(below, [0x40, 0x00, 0x10] as const), token(below, below(12)), latin1(below, below(50)), string),
      () => Buffer.concat([Buffer.of(0x40 | below(0x40)), string(latin1(below, below(20)))]),
      () => Buffer.of(0x80 | below(0x80)),
      () => sizeUpdate(below(5_000)),
    ])();
  });
  const block = Buffer.concat(parts);
  for (let changes = below(3); changes > 0 && block.length > 0; changes--) block[below(block.length)] = below(256);
  return block.subarray(0, below(4) === 0 ? below(block.length + 1) : block.length);
}

function verdictOn(decoder: HpackDecoder, block: Buffer): 'decoded' | 'refused' {
  try {
    decoder.decode(block);
    return 'decoded';
  } catch (error) {
    if (error instanceof ConnectionError) return 'refused';
    throw error;
  }
}

describe('what the encoder writes', () => {
  it.each([1, 2, 3, 4])('is read by the decoder, while the table changes its size (seed %i)', (seed) => {
    const below = seeded(seed);
    const encoder = new HpackEncoder(INDEXED, SECRET);
    const decoder = new HpackDecoder(LIMITS);
    for (let round = 0; round < 1_000; round++) {
      for (let sizes = below(40) === 0 ? 1 + below(3) : 0; sizes > 0; sizes--) {
        encoder.setTableLimit(pick(below, [0, 32, 64, below(4_096), 4_096, 100_000]));
      }
      const fields = someFields(below);
      const block = encoded(encoder, fields);
      expect(block.length).toBeLessThanOrEqual(encoder.sizeBound(fields));
      const listBytes = fields.reduce((sum, text) => sum + text.length + 16, 0);
      expect(decoder.decode(block)).toEqual({ fields, listBytes, tooLarge: false });
    }
  });

  it('by one caller is not changed by what another sends over the same connection, however much is thrown away', () => {
    const below = seeded(9);
    const encoder = new HpackEncoder(INDEXED, SECRET);
    const decoder = new HpackDecoder({ ...EDGE_LIMITS, headerFields: 20 });
    let tooLarge = 0;
    for (let round = 0; round < 2_000; round++) {
      const mine = [
        ':path',
        '/bms/Predict',
        ':authority',
        'mesh',
        'x-tenant',
        `mine-${round % 3}`,
        'x-key',
        `key ${round}`,
      ];
      expect(decoder.decode(encoded(encoder, mine)).fields).toEqual(mine);
      const hostile = Array.from({ length: 3 }, () => someFields(below)).flat();
      if (decoder.decode(encoded(encoder, hostile)).tooLarge) tooLarge++;
    }
    expect(tooLarge).toBeGreaterThan(500);
  });
});

describe('a block that is bent', () => {
  it.each([1, 2, 3])('is decoded or ends the connection, and nothing else (seed %i)', (seed) => {
    const below = seeded(seed);
    const verdicts = { decoded: 0, refused: 0 };
    let decoder = new HpackDecoder(EDGE_LIMITS);
    for (let round = 0; round < 10_000; round++) {
      const verdict = verdictOn(decoder, someBlock(below));
      verdicts[verdict]++;
      if (verdict === 'refused') decoder = new HpackDecoder(EDGE_LIMITS);
    }
    expect(Math.min(verdicts.decoded, verdicts.refused)).toBeGreaterThan(2_000);
  });

  it('of random octets is decoded or ends the connection', () => {
    const below = seeded(17);
    const verdicts = new Set<string>();
    for (let round = 0; round < 10_000; round++) {
      const block = Buffer.from(latin1(below, below(60)), 'latin1');
      verdicts.add(verdictOn(new HpackDecoder(EDGE_LIMITS), block));
    }
    expect(verdicts).toEqual(new Set(['decoded', 'refused']));
  });

  it('that is cut off anywhere is refused, or has fewer fields', () => {
    const fields = someFields(seeded(21));
    const block = encoded(new HpackEncoder(INDEXED, SECRET), fields);
    const whole = new HpackDecoder(LIMITS).decode(block).fields;
    for (let length = 0; length < block.length; length++) {
      const decoder = new HpackDecoder(LIMITS);
      if (verdictOn(decoder, block.subarray(0, length)) === 'refused') continue;
      const { fields: some } = new HpackDecoder(LIMITS).decode(block.subarray(0, length));
      expect(some.length).toBeLessThan(whole.length);
      expect(some).toEqual(whole.slice(0, some.length));
    }
  });

  it('leaves nothing behind', () => {
    const below = seeded(23);
    const blocks = Array.from({ length: 500 }, () => someBlock(below));
    const decodeAll = (): void => {
      for (const block of blocks) verdictOn(new HpackDecoder(EDGE_LIMITS), block);
    };
    decodeAll();
    const growth = heapGrowthBytes(() => {
      for (let round = 0; round < 100; round++) decodeAll();
    });
    expect(growth).toBeLessThan(1_000_000);
  });
});

describe('the longest blocks that we take', () => {
  const { headerBlockBytes } = EDGE_LIMITS;

  it.each<[string, Buffer]>([
    ['references', Buffer.alloc(headerBlockBytes, 0xbe)],
    ['empty fields to be remembered', Buffer.alloc(headerBlockBytes - 1, Buffer.of(0x40, 0x00, 0x00))],
    ["one string of Huffman's shortest codes", literal(0x40, 'a', 'e'.repeat(26_000), huffman)],
    ["one string of Huffman's longest codes", literal(0x40, 'a', '\n'.repeat(4_300), huffman)],
  ])('are decoded in no time: %s', (_what, block) => {
    const decoder = new HpackDecoder(EDGE_LIMITS);
    decoder.decode(literal(0x40, 'a', 'v'.repeat(4_000)));
    const begin = process.hrtime.bigint();
    for (let round = 0; round < 20; round++) expect(decoder.decode(block).listBytes).toBeGreaterThan(4_000);
    // 0.1 to 1 ms each, on a machine that does other things, too
    expect(Number(process.hrtime.bigint() - begin) / 20 / 1e6).toBeLessThan(20);
  });
});
