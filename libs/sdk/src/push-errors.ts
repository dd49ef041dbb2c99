import { BmsError, Reason } from '@bms/contracts';

/** A file that is not what it was when its digest was taken. */
export function changedMeanwhile(path: string): BmsError {
  const description = 'changed while it was pushed';
  return new BmsError(Reason.INVALID_MODEL, `${path} ${description}: push again once nothing writes to it`, {
    violations: [{ field: path, description }],
  });
}

/** The caller aborted the push. */
export function givenUp(cause: unknown): BmsError {
  return new BmsError(Reason.CANCELLED, 'the push was given up; nothing of it is visible', { cause });
}

/** The caller aborted the push at its last step, whose outcome it no longer hears. */
export function givenUpWhileRegistering(cause: unknown): BmsError {
  const message = 'the push was given up while the version was registered: it is there as a whole or not at all';
  return new BmsError(Reason.CANCELLED, message, { cause });
}
