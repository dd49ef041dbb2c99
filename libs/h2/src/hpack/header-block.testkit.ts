import { CODES, CODE_BITS, END_OF_STRING } from './huffman-code';
import { writeInteger } from './block-writer';

/** Octets of a header block, as they stand in RFC 7541: hex, with spaces where they help. */
export function hex(octets: string): Buffer {
  return Buffer.from(octets.replaceAll(/\s/g, ''), 'hex');
}

/** An integer behind the bits of `first`, as {@link writeInteger} writes it. */
export function integer(first: number, mask: number, value: number): Buffer {
  const octets = Buffer.alloc(8);
  return octets.subarray(0, writeInteger(octets, 0, first, mask, value));
}

export function indexed(index: number): Buffer {
  return integer(0x80, 0x7f, index);
}

export function sizeUpdate(bytes: number): Buffer {
  return integer(0x20, 0x1f, bytes);
}

export function plain(text: string): Buffer {
  return Buffer.concat([integer(0, 0x7f, text.length), Buffer.from(text, 'latin1')]);
}

export function huffman(text: string): Buffer {
  const coded = huffmanCoded([...Buffer.from(text, 'latin1')]);
  return Buffer.concat([integer(0x80, 0x7f, coded.length), coded]);
}

/** A field with its name, to be remembered (0x40), not to be (0x00) or never to be (0x10). */
export function literal(kind: 0x40 | 0x00 | 0x10, name: string, value: string, string = plain): Buffer {
  return Buffer.concat([Buffer.of(kind), string(name), string(value)]);
}

/** The bits of the symbols' codes as text, which is slow and plain to see. */
export function huffmanBits(symbols: readonly number[]): string {
  return symbols
    .map((symbol) => (CODES[symbol] as number).toString(2).padStart(CODE_BITS[symbol] as number, '0'))
    .join('');
}

export function huffmanCoded(symbols: readonly number[]): Buffer {
  const bits = huffmanBits(symbols);
  const padding = huffmanBits([END_OF_STRING]).slice(0, (8 - (bits.length % 8)) % 8);
  return octetsOf(bits + padding);
}

export function octetsOf(bits: string): Buffer {
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((octet) => parseInt(octet, 2)));
}
