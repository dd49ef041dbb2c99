import { VERSION_STATES, type VersionStateWord } from '../records/values';
import { decideTransition, type TransitionAnswer } from './lifecycle';

type Kind = TransitionAnswer['kind'];

describe('decideTransition', () => {
  // Rows: from; columns: to, in the order registered, published, offline, deleted.
  const table: readonly (readonly [VersionStateWord, readonly [Kind, Kind, Kind, Kind]])[] = [
    ['registered', ['same', 'move', 'illegal', 'move']],
    ['published', ['illegal', 'same', 'move', 'move']],
    ['offline', ['illegal', 'move', 'same', 'move']],
    ['deleted', ['illegal', 'illegal', 'illegal', 'same']],
  ];

  it.each(table)('from %s: %j', (from, expected) => {
    for (const force of [false, true]) {
      const kinds = VERSION_STATES.map((to) => decideTransition({ from, to, inUse: false, force }).kind);
      expect(kinds).toEqual(expected);
    }
  });

  it.each(['offline', 'deleted'] as const)('takes a version in use %s only by force, and clears its use then', (to) => {
    expect(decideTransition({ from: 'published', to, inUse: true, force: false })).toEqual({ kind: 'in-use' });
    expect(decideTransition({ from: 'published', to, inUse: true, force: true })).toEqual({
      kind: 'move',
      clearsUse: true,
    });
    expect(decideTransition({ from: 'published', to, inUse: false, force: true })).toEqual({
      kind: 'move',
      clearsUse: false,
    });
  });

  it('does not ask for force where nothing changes', () => {
    expect(decideTransition({ from: 'published', to: 'published', inUse: true, force: false })).toEqual({
      kind: 'same',
    });
  });

  it('says what to do instead of an illegal move', () => {
    const answer = decideTransition({ from: 'deleted', to: 'published', inUse: false, force: true });
    expect(answer).toEqual({ kind: 'illegal', remedy: 'it is deleted; push it again as a new version' });
  });
});
