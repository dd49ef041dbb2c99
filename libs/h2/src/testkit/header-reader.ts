import { CODE_BITS, CODES } from '../hpack/huffman-code';
import { STATIC_FIELDS, staticName, staticValue } from '../hpack/static-table';

const TABLE_BYTES_MAX = 4_096;

/**
 * Reads header blocks bit by bit, as RFC 7541 writes it down, with no eye on speed: a second opinion on what is sent. Of what it tests it
 * takes the two tables of the appendices only. Throws on what is not HPACK.
 */
export class HeaderReader {
  private readonly remembered: (readonly [name: string, value: string])[] = [];
  private sizeMaxBytes = TABLE_BYTES_MAX;

  read(block: Buffer): readonly string[] {
    const at = new Cursor(block);
    const fields: string[] = [];
    while (!at.end) {
      const first = at.peek();
      if ((first & 0xe0) === 0x20) {
        this.resize(at.integer(5));
      } else if ((first & 0x80) !== 0) {
        fields.push(...this.entry(at.integer(7)));
      } else {
        const remembers = (first & 0x40) !== 0;
        const index = at.integer(remembers ? 6 : 4);
        const name = index === 0 ? at.text() : this.entry(index)[0];
        const value = at.text();
        if (remembers) this.remember(name, value);
        fields.push(name, value);
      }
    }
    return fields;
  }

  private entry(index: number): readonly [name: string, value: string] {
    if (index >= 1 && index <= STATIC_FIELDS) return [staticName(index), staticValue(index)];
    const entry = this.remembered[index - STATIC_FIELDS - 1];
    if (entry === undefined) throw new Error(`HPACK: there is no entry ${index}`);
    return entry;
  }

  /** Nobody has to use a larger table than HTTP/2's own, and ours never does, whatever it is offered. */
  private resize(sizeBytes: number): void {
    if (sizeBytes > TABLE_BYTES_MAX) throw new Error(`HPACK: a table of ${sizeBytes} bytes`);
    this.sizeMaxBytes = sizeBytes;
    this.shrink();
  }

  private remember(name: string, value: string): void {
    this.remembered.unshift([name, value]);
    this.shrink();
  }

  private shrink(): void {
    const size = (): number => this.remembered.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.sizeMaxBytes) this.remembered.pop();
  }
}

class Cursor {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  get end(): boolean {
    return this.at === this.bytes.length;
  }

  peek(): number {
    return this.bytes.readUInt8(this.at);
  }

  integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1;
    let value = this.bytes.readUInt8(this.at++) & most;
    if (value < most) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes.readUInt8(this.at++);
      value += (byte & 0x7f) * scale;
      if (byte < 128) return value;
    }
  }

  text(): string {
    const coded = (this.peek() & 0x80) !== 0;
    const lengthBytes = this.integer(7);
    if (this.at + lengthBytes > this.bytes.length) throw new Error('HPACK: a string is cut off');
    const text = this.bytes.subarray(this.at, (this.at += lengthBytes));
    return coded ? unhuffman(text) : text.toString('latin1');
  }
}

const SYMBOLS: ReadonlyMap<string, number> = new Map(
  [...CODES].map((code, symbol) => [code.toString(2).padStart(CODE_BITS[symbol] as number, '0'), symbol]),
);

function unhuffman(bytes: Buffer): string {
  let text = '';
  let bits = '';
  for (const byte of bytes) {
    for (const bit of byte.toString(2).padStart(8, '0')) {
      bits += bit;
      const symbol = SYMBOLS.get(bits);
      if (symbol === undefined) continue;
      text += String.fromCharCode(symbol);
      bits = '';
    }
  }
  if (bits.length > 7 || bits.includes('0')) throw new Error('HPACK: bad padding of a Huffman code');
  return text;
}
