const FIRST_MS = 50;
const MAX_MS = 1_000;

/**
 * The pause before the registries are asked anew: 50 ms, twice as long after each round that failed, at most 1 s; less a
 * random part of up to a half, so that workers that lost the same registry do not come back as one.
 */
export function reconnectDelayMs(roundsInARow: number, random: () => number): number {
  const mostMs = Math.min(MAX_MS, FIRST_MS * 2 ** Math.max(0, roundsInARow - 1));
  return mostMs * (1 - random() / 2);
}
