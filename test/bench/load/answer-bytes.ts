/** What gRPC writes before a message: whether it is compressed, and its length. */
export const GRPC_PREFIX_BYTES = 5;

/**
 * Whether the bytes from `start` to `end`, which lie at `at` of an answer's body, are those of the expected message, as far as they
 * are not gRPC's prefix; the body's length tells the rest.
 */
export function matches(expected: Buffer, at: number, bytes: Buffer, start: number, end: number): boolean {
  const skip = Math.max(0, GRPC_PREFIX_BYTES - at);
  const from = start + skip;
  if (from >= end) return true;
  const offset = at + skip - GRPC_PREFIX_BYTES;
  if (offset + (end - from) > expected.length) return false;
  return expected.compare(bytes, from, end, offset, offset + (end - from)) === 0;
}
