import { BmsError, Reason } from '@bms/contracts';

/** What errors say about the call that failed. */
export interface CallContext {
  readonly path: string;
  /** `host:port`. */
  readonly address: string;
}

/** DEADLINE_EXCEEDED, as this side finds it. */
export function deadlineExceeded({ path, address }: CallContext): BmsError {
  return new BmsError(Reason.DEADLINE_EXCEEDED, `${path} was not answered by ${address} before the deadline`);
}

/** CONNECTION_FAILED: nothing was done, so the call can be sent elsewhere. */
export function notSent(address: string, cause: unknown): BmsError {
  const errno = errnoOf(cause);
  return new BmsError(
    Reason.CONNECTION_FAILED,
    `no connection to ${address}${errno === undefined ? '' : ` (${errno})`}`,
    { cause },
  );
}

/** WORKER_LOST: the call may have run. */
export function connectionBroke({ path, address }: CallContext, cause: unknown): BmsError {
  return new BmsError(Reason.WORKER_LOST, `the connection to ${address} broke while ${path} was on it`, { cause });
}

function errnoOf(cause: unknown): string | undefined {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' && /^E[A-Z]+$/.test(code) ? code : undefined;
}
