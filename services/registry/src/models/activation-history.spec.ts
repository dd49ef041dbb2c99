import type { ActivationRecord } from '../records/values';
import { ACTIVATIONS_MAX, remember, waysBack } from './activation-history';

/** `1 2 3` activates; `<2` rolls back to 2. */
function history(text: string): ActivationRecord[] {
  return text.split(' ').map((word) => ({
    version: Number(word.replace('<', '')),
    atMs: 1,
    by: 'spec',
    kind: word.startsWith('<') ? 'rollback' : 'activate',
  }));
}

describe('waysBack', () => {
  it.each([
    ['nothing before the first', '1', 1, []],
    ['the one before', '1 2', 2, [1]],
    ['all before, nearest first', '1 2 3', 3, [2, 1]],
    ['a roll-back is a step back, not a new activation', '1 2 3 <2', 2, [1]],
    ['two of them are two steps', '1 2 3 <2 <1', 1, []],
    ['what is activated after a roll-back is ahead of what it went back to', '1 2 3 <2 4', 4, [2, 1]],
    ['each version once, at its latest place', '1 2 1 2 3', 3, [2, 1]],
    ['a roll-back to a version that fell out of the history', '3 4 <1', 1, [4, 3]],
    ['none is active any more: the last one first', '1 2', 0, [2, 1]],
  ])('%s', (_, text, active, expected) => {
    expect(waysBack(history(text), active)).toEqual(expected);
  });
});

describe('remember', () => {
  it(`keeps the last ${ACTIVATIONS_MAX}`, () => {
    let kept: readonly ActivationRecord[] = [];
    for (let version = 1; version <= ACTIVATIONS_MAX + 5; version++) {
      kept = remember(kept, { version, atMs: version, by: 'spec', kind: 'activate' });
    }
    expect(kept).toHaveLength(ACTIVATIONS_MAX);
    expect(kept[0]?.version).toBe(6);
  });
});
