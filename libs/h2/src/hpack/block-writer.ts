const NOT_LATIN1 = /[^\x00-\xff]/;
const ALL_NOT_LATIN1 = new RegExp(NOT_LATIN1, 'g');
/** Up to here a loop of 2 ns an octet is faster than Buffer's write, and the look before it, which start with 90. */
const SHORT_STRING = 40;
const QUESTION_MARK = 0x3f;

/**
 * Writes an integer behind the bits of `first` (RFC 7541 §5.1).
 *
 * @param mask the bits of the first octet that are the integer's prefix
 * @param value below 2^31
 * @returns the position behind it
 */
export function writeInteger(into: Buffer, at: number, first: number, mask: number, value: number): number {
  if (value < mask) {
    into[at] = first | value;
    return at + 1;
  }
  into[at++] = first | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) into[at++] = (rest & 0x7f) | 0x80;
  into[at] = rest;
  return at + 1;
}

/**
 * Writes a string as it is, with its length (RFC 7541 §5.2). A character above U+00FF becomes a question mark: cut
 * down to its lower octet it could be a line feed (U+010A).
 *
 * Never Huffman-coded. What comes often goes by the tables; of the rest that would save a fifth, and cost more to write
 * (measured: 80 ns for 21 octets, here 50) and to read (20 fields: 4.8 µs, plain 2.8).
 *
 * @returns the position behind it
 */
export function writeString(into: Buffer, at: number, text: string): number {
  const { length } = text;
  at = writeInteger(into, at, 0, 0x7f, length);
  if (length > SHORT_STRING) {
    into.write(NOT_LATIN1.test(text) ? text.replace(ALL_NOT_LATIN1, '?') : text, at, 'latin1');
    return at + length;
  }
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    into[at++] = code > 0xff ? QUESTION_MARK : code;
  }
  return at;
}
