import { huffmanBits, huffmanCoded, octetsOf } from './header-block.testkit';
import { CODES, CODE_BITS, END_OF_STRING } from './huffman-code';
import { decodedBytesAtMost, decodeHuffman } from './huffman-decoder';
import { seeded } from './seeded.testkit';

function decode(coded: Buffer): number[] | 'broken' {
  const into = Buffer.alloc(decodedBytesAtMost(coded.length));
  const length = decodeHuffman(coded, 0, coded.length, into);
  return length < 0 ? 'broken' : [...into.subarray(0, length)];
}

/** A bit at a time, by the words of RFC 7541 §5.2. */
function decodeSlowly(coded: Buffer): number[] | 'broken' {
  const symbols: number[] = [];
  let code = '';
  for (const bit of [...coded].map((octet) => octet.toString(2).padStart(8, '0')).join('')) {
    code += bit;
    const symbol = symbolByCode.get(code);
    if (symbol === undefined) continue;
    if (symbol === END_OF_STRING) return 'broken';
    symbols.push(symbol);
    code = '';
  }
  return code.length < 8 && !code.includes('0') ? symbols : 'broken';
}

const symbolByCode = new Map(Array.from(CODES, (_, symbol) => [huffmanBits([symbol]), symbol]));

describe('the code', () => {
  it.each([
    [' ', 0x14, 6],
    ['0', 0x0, 5],
    ['a', 0x3, 5],
    ['Z', 0xfd, 8],
    ['\\', 0x7fff0, 19],
    ['\n', 0x3ffffffc, 30],
    ['\u00ff', 0x3ffffee, 26],
  ])('for %j is that of appendix B', (octet, code, bits) => {
    const symbol = octet.charCodeAt(0);
    expect([CODES[symbol], CODE_BITS[symbol]]).toEqual([code, bits]);
  });

  it('ends with thirty ones, and leaves no bits without a meaning', () => {
    expect(CODES[END_OF_STRING]).toBe(0x3fffffff);
    expect(CODE_BITS.reduce((sum, bits) => sum + 2 ** -bits, 0)).toBe(1);
  });
});

describe('decodeHuffman', () => {
  it('decodes each octet, at each place in an octet', () => {
    for (let symbol = 0; symbol < 256; symbol++) {
      for (let before = 0; before < 8; before++) {
        const symbols = [...new Array<number>(before).fill(0x61), symbol, 0x7a, symbol];
        expect(decode(huffmanCoded(symbols))).toEqual(symbols);
      }
    }
  });

  it('decodes nothing to nothing', () => {
    expect(decode(Buffer.alloc(0))).toEqual([]);
  });

  it.each([
    ['END_OF_STRING', huffmanBits([END_OF_STRING]) + '11'],
    ['END_OF_STRING behind a symbol, and symbols behind it', huffmanBits([0x61, END_OF_STRING, 0x61])],
    ['padding of 8 ones', '11111111'],
    ['padding of 11 ones', huffmanBits([0x61]) + '11111111111'],
    ['padding with a zero at its end', huffmanBits([0x61]) + '110'],
    ['padding with a zero at its start', huffmanBits([0x61]) + '011'],
    ['a code of 28 bits that is cut off', huffmanBits([0x02]).slice(0, 24)],
    ['zeros that end within a code', '00000000'],
  ])('refuses %s', (_what, bits) => {
    expect(decode(octetsOf(bits))).toBe('broken');
  });

  it.each([1, 2, 3, 4, 5, 6, 7])('takes padding of %i ones', (ones) => {
    const symbols = [...new Array<number>(8).keys()].map(() => 0x61);
    while (huffmanBits(symbols).length % 8 !== 8 - ones) symbols.push(symbols.length % 2 === 0 ? 0x20 : 0x42);
    expect(decode(octetsOf(huffmanBits(symbols) + '1'.repeat(ones)))).toEqual(symbols);
  });

  it('agrees with a decoder that goes bit by bit, on strings and on noise', () => {
    const below = seeded(3);
    const found = new Set<string>();
    for (let round = 0; round < 3_000; round++) {
      const coded = huffmanCoded(Array.from({ length: below(12) }, () => below(256)));
      for (let changes = round % 3; changes > 0 && coded.length > 0; changes--) coded[below(coded.length)] = below(256);
      const decoded = decode(coded);
      expect(decoded).toEqual(decodeSlowly(coded));
      found.add(decoded === 'broken' ? 'broken' : 'well');
    }
    expect(found).toEqual(new Set(['broken', 'well']));
  });
});
