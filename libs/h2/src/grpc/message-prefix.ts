/** What every message starts with: whether it is compressed (0 or 1), and its size as four bytes, big-endian. */
export const PREFIX_BYTES = 5;

/** Writes the prefix of a message of `sizeBytes` bytes, at most 2³² − 1, at `at`. Returns where the message goes. */
export function writePrefix(into: Buffer, at: number, sizeBytes: number, compressed: boolean): number {
  into[at] = compressed ? 1 : 0;
  return into.writeUInt32BE(sizeBytes, at + 1);
}

/** The prefix alone. */
export function messagePrefix(sizeBytes: number, compressed = false): Buffer {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  writePrefix(prefix, 0, sizeBytes, compressed);
  return prefix;
}
