import { compressionError } from './compression-error';
import { decodedBytesAtMost, decodeHuffman } from './huffman-decoder';
import { readName } from './name-cache';

const EMPTY = Buffer.alloc(0);
const HUFFMAN_CODED = 0x80;
/** Of an integer with its prefix: enough for 2^28, and no block is that long (RFC 7541 §5.1 leaves the bound to us). */
const INTEGER_BYTES_MAX = 5;

/** Where Huffman-coded strings are decoded. One for all: a string is made of it before anything else can happen. */
let scratch = Buffer.allocUnsafeSlow(1_024);

/** Reads the primitives of RFC 7541 §5 from a header block. Throws ConnectionError where they are broken. */
export class BlockReader {
  private block: Buffer = EMPTY;
  private at = 0;

  open(block: Buffer): void {
    this.block = block;
    this.at = 0;
  }

  /** Lets go of the block, which may be a view of something large. */
  close(): void {
    this.block = EMPTY;
    this.at = 0;
  }

  get ended(): boolean {
    return this.at >= this.block.length;
  }

  octet(): number {
    if (this.at >= this.block.length) throw compressionError('a header block is cut off');
    return this.block[this.at++] as number;
  }

  /** @param mask the bits of `first`, the octet read last, that are the integer's prefix */
  integer(first: number, mask: number): number {
    let value = first & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 7 * (INTEGER_BYTES_MAX - 1); shift += 7) {
      const octet = this.octet();
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw compressionError(`an integer has more than ${INTEGER_BYTES_MAX} octets`);
  }

  /** A string that is likely to come again. */
  name(): string {
    const first = this.octet();
    const start = this.skipString(first);
    if (first < HUFFMAN_CODED) return readName(this.block, start, this.at);
    const length = this.decodeToScratch(start);
    return readName(scratch, 0, length);
  }

  value(): string {
    const first = this.octet();
    const start = this.skipString(first);
    if (first < HUFFMAN_CODED) return this.block.toString('latin1', start, this.at);
    const length = this.decodeToScratch(start);
    return scratch.toString('latin1', 0, length);
  }

  /** Goes behind the string whose length begins with `first`; returns where the string starts. */
  private skipString(first: number): number {
    const length = this.integer(first, 0x7f);
    const start = this.at;
    if (length > this.block.length - start) throw compressionError('a string is longer than its header block');
    this.at = start + length;
    return start;
  }

  private decodeToScratch(start: number): number {
    const bytes = decodedBytesAtMost(this.at - start);
    if (bytes > scratch.length) scratch = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(bytes)));
    const length = decodeHuffman(this.block, start, this.at, scratch);
    if (length < 0) throw compressionError('a string is not Huffman-coded by the rules');
    return length;
  }
}
