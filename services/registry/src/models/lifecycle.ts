import type { VersionStateWord } from '../records/values';

/** What is known of a version when somebody wants it in another state. */
export interface TransitionQuestion {
  readonly from: VersionStateWord;
  readonly to: VersionStateWord;
  /** It is active or labelled: unqualified or labelled requests reach it. */
  readonly inUse: boolean;
  /** Do it although it is in use. */
  readonly force: boolean;
}

/**
 * - `same`: it is there already; nothing changes
 * - `move`: go; `clearsUse` says that the model's active version and labels that point to it go, too
 * - `illegal`: the lifecycle has no such move, with or without force
 * - `in-use`: only with force
 */
export type TransitionAnswer =
  | { readonly kind: 'same' }
  | { readonly kind: 'move'; readonly clearsUse: boolean }
  | { readonly kind: 'illegal'; readonly remedy: string }
  | { readonly kind: 'in-use' };

/**
 * The legal moves: rows are where a version is, columns where it shall go. `same` changes nothing, `leave` is a move that
 * takes it from its callers and so needs force while it is active or labelled; a text says why there is no such move.
 */
const MOVES: Readonly<Record<VersionStateWord, Readonly<Record<VersionStateWord, string>>>> = {
  registered: {
    registered: 'same',
    published: 'move',
    offline: 'it was never published, so there is nothing to take offline',
    deleted: 'leave',
  },
  published: {
    registered: 'a version is registered once, by pushing it; take it offline instead',
    published: 'same',
    offline: 'leave',
    deleted: 'leave',
  },
  offline: {
    registered: 'a version is registered once, by pushing it; publish it instead',
    published: 'move',
    offline: 'same',
    deleted: 'leave',
  },
  deleted: {
    registered: 'it is deleted; push it again as a new version',
    published: 'it is deleted; push it again as a new version',
    offline: 'it is deleted; push it again as a new version',
    deleted: 'same',
  },
};

/** Whether a version may go from one state to another. Pure. */
export function decideTransition({ from, to, inUse, force }: TransitionQuestion): TransitionAnswer {
  const move = MOVES[from][to];
  switch (move) {
    case 'same':
      return { kind: 'same' };
    case 'move':
      return { kind: 'move', clearsUse: false };
    case 'leave':
      return inUse && !force ? { kind: 'in-use' } : { kind: 'move', clearsUse: inUse };
    default:
      return { kind: 'illegal', remedy: move };
  }
}
