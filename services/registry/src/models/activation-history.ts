import type { ActivationRecord } from '../records/values';

/** How many activations a model remembers. */
export const ACTIVATIONS_MAX = 100;

export function remember(
  history: readonly ActivationRecord[],
  activation: ActivationRecord,
): readonly ActivationRecord[] {
  return [...history, activation].slice(-ACTIVATIONS_MAX);
}

/**
 * The versions that rolling back goes through, nearest first: what was active before, and before that. A roll-back takes
 * steps back in this list instead of adding one, so that rolling back twice goes two steps back, not there and back again.
 */
export function waysBack(history: readonly ActivationRecord[], active: number): readonly number[] {
  const path: number[] = [];
  for (const { version, kind } of history) {
    if (kind === 'rollback' && path.includes(version)) path.length = path.lastIndexOf(version) + 1;
    else path.push(version);
  }
  const back = path.reverse().filter((version) => version !== active);
  return back.filter((version, at) => back.indexOf(version) === at);
}
