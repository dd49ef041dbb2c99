/** Small frames of one turn are gathered in pieces of this size. */
export const SLAB_BYTES = 32 * 1024;
/** What is left of a slab is used by the next turn, unless it is less than this. */
const REST_MIN_BYTES = 4 * 1024;
const KEPT_MAX = 64;

/** A piece of memory that is written from its start to its end, once. */
export interface Slab {
  readonly buffer: Buffer;
  usedBytes: number;
}

const kept: Slab[] = [];

/** Connections hold a slab only while they have something to flush: thousands that are idle hold none. */
export function takeSlab(): Slab {
  return kept.pop() ?? { buffer: Buffer.allocUnsafeSlow(SLAB_BYTES), usedBytes: 0 };
}

/** Nothing is written to what was written before: that may still be on its way to the network. */
export function giveBackSlab(slab: Slab): void {
  if (SLAB_BYTES - slab.usedBytes >= REST_MIN_BYTES && kept.length < KEPT_MAX) kept.push(slab);
}
