/** `grpc-status` as a literal name, plain and Huffman coded (RFC 7541, appendix B). */
const NAME_PLAIN = Buffer.from('grpc-status');
const NAME_CODED = Buffer.from('9acac8b21234da8f', 'hex');
/** Indexed `:status: 200`. */
const STATUS_200 = 0x88;
const CODED = 0x80;
/** The static table's last index: a peer that was told to keep no dynamic table must not go beyond. */
const STATIC_LAST = 61;

/**
 * Reads header blocks of a peer that was told to keep no dynamic table, as far as an answer's verdict needs it: every field is
 * stepped over, and only names that are looked for are compared, in both spellings.
 */
export class HeaderBlock {
  private at: number;

  constructor(
    private readonly bytes: Buffer,
    start: number,
    private readonly end: number,
  ) {
    this.at = start;
  }

  /** Whether the block begins an answer of HTTP status 200. */
  get isOk(): boolean {
    const { bytes } = this;
    let at = this.at;
    while (at < this.end && ((bytes[at] as number) & 0xe0) === 0x20) at += 1; // a change of the table's size, to 0
    return bytes[at] === STATUS_200;
  }

  /** Whether the block has `grpc-status: 0`, exactly once. Throws where it is not readable. */
  hasStatusZero(): boolean {
    let zeros = 0;
    let others = 0;
    while (this.at < this.end) {
      const first = this.bytes[this.at] as number;
      if ((first & 0x80) !== 0) {
        if (this.integer(7) > STATIC_LAST) throw unreadable('refers to a dynamic table that it was told not to keep');
        continue;
      }
      if ((first & 0xe0) === 0x20) {
        this.integer(5);
        continue;
      }
      const name = this.integer((first & 0x40) !== 0 ? 6 : 4);
      if (name > STATIC_LAST) throw unreadable('refers to a dynamic table that it was told not to keep');
      const isStatus = name === 0 && this.skipText(true);
      const zero = this.valueIsZero();
      this.skipText(false);
      if (isStatus && zero) zeros += 1;
      else if (isStatus) others += 1;
    }
    return zeros === 1 && others === 0;
  }

  /** Whether the text here is "0": as it is, or in Huffman's code (five zero bits, filled up with ones). */
  private valueIsZero(): boolean {
    const length = this.bytes[this.at];
    const value = this.bytes[this.at + 1];
    return (length === 1 && value === 0x30) || (length === (CODED | 1) && value === 0x07);
  }

  /** Steps over a text; answers whether it is the name looked for. */
  private skipText(compare: boolean): boolean {
    const coded = ((this.bytes[this.at] as number) & CODED) !== 0;
    const length = this.integer(7);
    const start = this.at;
    this.at += length;
    if (this.at > this.end) throw unreadable('breaks off');
    const name = coded ? NAME_CODED : NAME_PLAIN;
    return compare && length === name.length && this.bytes.compare(name, 0, length, start, this.at) === 0;
  }

  private integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1;
    let value = (this.bytes[this.at++] as number) & most;
    if (value < most) return value;
    for (let factor = 1; this.at < this.end; factor *= 128) {
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw unreadable('breaks off within a number');
  }
}

function unreadable(why: string): Error {
  return new Error(`a header block of the answer ${why}`);
}
