/**
 * - `away`: no connection, or one that has not shown yet whose data it leads to; nothing but that is asked over it
 * - `usable`: calls go out
 * - `refused`: it answers, and must not be used as things are
 */
export type MemberState =
  | { readonly kind: 'away'; readonly why: string }
  | { readonly kind: 'usable' }
  | { readonly kind: 'refused'; readonly error: Error };
