/** A view on less than this share of its memory would keep too much of it alive. */
const VIEW_SHARE = 4;

const NOTHING = Buffer.alloc(0);

/**
 * The bytes of `chunk` from `start` to `end`, to be kept: a view where they are at least a quarter of the memory that
 * `chunk` itself is a view on, else a copy.
 */
export function ownBytes(chunk: Buffer, start: number, end: number): Buffer {
  const size = end - start;
  if (size === 0) return NOTHING;
  if (size * VIEW_SHARE >= chunk.buffer.byteLength) return chunk.subarray(start, end);
  const copy = Buffer.allocUnsafe(size);
  chunk.copy(copy, 0, start, end);
  return copy;
}
