import { BmsError, Reason } from '@bms/contracts';

/** A file that is not what it was when its digest was taken. */
export function changedMeanwhile(path: string): BmsError {
  const description = 'changed while it was pushed';
  return new BmsError(Reason.INVALID_MODEL, `${path} ${description}: push again once nothing writes to it`, {
    violations: [{ field: path, description }],
  });
}
