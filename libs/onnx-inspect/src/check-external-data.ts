import { posix } from 'node:path';
import { BmsError, Reason } from '@bms/contracts';
import type { ExternalData } from './external-data';

/**
 * Checks that what is pushed holds all weights of its model. `sizeOf` tells a file's size in bytes by its path among the pushed
 * files, as `entry` is one; undefined: it is not among them. Throws INVALID_MODEL that names the file that is missing or too short.
 */
export function checkExternalData(
  entry: string,
  externalData: readonly ExternalData[],
  sizeOf: (path: string) => number | undefined,
): void {
  for (const { location, requiredBytes } of externalData) {
    const path = posix.join(posix.dirname(entry), location);
    const sizeBytes = sizeOf(path);
    if (sizeBytes === undefined) {
      throw refused(
        path,
        `${entry} keeps weights in ${path}, which is not among the files: push the folder that has both`,
      );
    }
    if (sizeBytes < requiredBytes) {
      throw refused(
        path,
        `${path} has ${sizeBytes} bytes, but the weights of ${entry} in it need ${requiredBytes}: the file is cut off or of another model`,
      );
    }
  }
}

function refused(field: string, description: string): BmsError {
  return new BmsError(Reason.INVALID_MODEL, description, { violations: [{ field, description }] });
}
