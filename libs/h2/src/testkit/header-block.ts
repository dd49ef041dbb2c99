/**
 * Header blocks written in the plainest way there is (RFC 7541 §6): literals that neither side remembers, without Huffman codes.
 * Shares nothing with what it tests.
 *
 * @param fields name, value, name, value, …; each character is one byte
 */
export function literalBlock(fields: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < fields.length; i += 2) parts.push(literalField(fields[i] ?? '', fields[i + 1] ?? ''));
  return Buffer.concat(parts);
}

/** One literal that is not remembered. */
export function literalField(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0x00), hpackString(name), hpackString(value)]);
}

/** One literal that goes into the table of both sides. */
export function rememberedField(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0x40), hpackString(name), hpackString(value)]);
}

/** One field of the table: 1 to 61 are static, 62 is what was remembered last. */
export function indexedField(index: number): Buffer {
  return hpackInteger(0x80, 7, index);
}

/** A change of the table's size; legal only at the start of a block. */
export function tableSizeUpdate(sizeBytes: number): Buffer {
  return hpackInteger(0x20, 5, sizeBytes);
}

/**
 * An integer of RFC 7541 §5.1.
 * @param pattern the bits before the prefix
 */
export function hpackInteger(pattern: number, prefixBits: number, value: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.of(pattern | value);
  const bytes = [pattern | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(rest % 128 | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

export function hpackString(text: string): Buffer {
  return Buffer.concat([hpackInteger(0x00, 7, text.length), Buffer.from(text, 'latin1')]);
}
