/** Whole numbers from 0 to below a limit, the same ones each time. */
export type Below = (limit: number) => number;

export function seeded(seed: number): Below {
  let state = seed;
  return (limit) => (state = (state * 48271) % 0x7fffffff) % limit;
}

export function pick<T>(below: Below, from: readonly T[]): T {
  return from[below(from.length)] as T;
}

const NOISE_LENGTH = 10_000;
const noise = noiseOf(seeded(1), (below) => below(256));
const letters = noiseOf(seeded(2), (below) => pick(below, [...Buffer.from('abcdefghijklmnopqrstuvwxyz0123456789-_.')]));

/** Octets of all values, so that they are not all short in Huffman's code. */
export function latin1(below: Below, length: number): string {
  const start = below(NOISE_LENGTH - length);
  return noise.slice(start, start + length);
}

/** What may be a name. */
export function token(below: Below, length: number): string {
  const start = below(NOISE_LENGTH - length);
  return letters.slice(start, start + length);
}

function noiseOf(below: Below, octet: (below: Below) => number): string {
  return Buffer.from(Array.from({ length: NOISE_LENGTH }, () => octet(below))).toString('latin1');
}
