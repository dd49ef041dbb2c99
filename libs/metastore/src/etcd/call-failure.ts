import { BmsError, Reason } from '@bms/contracts';

/** What etcd refuses to do, and why. */
export type Refusal =
  | 'compacted'
  | 'future-revision'
  | 'lease-not-found'
  | 'permission'
  /** It has users, and we have named none. */
  | 'user-needed'
  | 'credentials'
  | 'auth-off'
  | 'no-space'
  /** The answer is larger than we take. */
  | 'answer-too-large'
  | 'other';

/**
 * How a call to etcd failed.
 * - `not-sent`: it was not carried out, and may be sent again, elsewhere
 * - `unanswered`: it may have been carried out, now or later; only what may be done twice is sent again
 * - `token`: it was not carried out, since the token is not known (any more); with a new one it may be sent again
 * - `refused`: it was not carried out and never will be
 */
export type CallFailure =
  | { readonly kind: 'not-sent' | 'unanswered' | 'token'; readonly why: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly why: string };

/** etcd's own sentences; its codes alone do not tell these apart. */
const SENTENCES: readonly (readonly [pattern: RegExp, failure: Refusal | 'not-sent' | 'token'])[] = [
  [/required revision has been compacted/, 'compacted'],
  [/required revision is a future revision/, 'future-revision'],
  [/requested lease not found/, 'lease-not-found'],
  [/database space exceeded/, 'no-space'],
  [/permission denied/, 'permission'],
  [/user name is empty/, 'user-needed'],
  [/authentication failed|invalid user ID or password/, 'credentials'],
  [/authentication is not enabled/, 'auth-off'],
  [/invalid auth token|revision of auth store is old/, 'token'],
  // Both are said before anything is proposed: "no leader" only to calls that ask for one, as all of ours do.
  [/etcdserver: no leader/, 'not-sent'],
  [/etcdserver: too many requests/, 'not-sent'],
];

/** Reasons of answers that say: this is how it is. Everything else (cancelled, unavailable, unknown, late) says nothing sure. */
const FINAL: ReadonlySet<Reason> = new Set([
  Reason.INVALID_REQUEST,
  Reason.MODEL_NOT_FOUND,
  Reason.ALREADY_EXISTS,
  Reason.PERMISSION_DENIED,
  Reason.ILLEGAL_TRANSITION,
  Reason.OVERLOADED,
  Reason.UNIMPLEMENTED,
]);

export function callFailure(error: unknown): CallFailure {
  const { reason, message: why } = BmsError.from(error);
  if (reason === Reason.CONNECTION_FAILED) return { kind: 'not-sent', why };
  if (reason === Reason.MESSAGE_TOO_LARGE) return { kind: 'refused', refusal: 'answer-too-large', why };
  const said = saidBy(why);
  if (said === 'not-sent' || said === 'token') return { kind: said, why };
  if (said !== undefined) return { kind: 'refused', refusal: said, why };
  if (reason === Reason.UNAUTHENTICATED) return { kind: 'token', why };
  return FINAL.has(reason) ? { kind: 'refused', refusal: 'other', why } : { kind: 'unanswered', why };
}

/** What a watch is told when it is cancelled comes as a sentence alone. */
export function saidBy(sentence: string): Refusal | 'not-sent' | 'token' | undefined {
  return SENTENCES.find(([pattern]) => pattern.test(sentence))?.[1];
}

/** A call that etcd refuses; whoever made it knows what that means. */
export class EtcdRefusedError extends Error {
  override readonly name = 'EtcdRefusedError';
  constructor(
    readonly refusal: Refusal,
    message: string,
  ) {
    super(message);
  }

  static is(error: unknown, refusal: Refusal): error is EtcdRefusedError {
    return error instanceof EtcdRefusedError && error.refusal === refusal;
  }
}
