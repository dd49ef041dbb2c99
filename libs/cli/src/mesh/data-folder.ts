import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { makeFolder } from '@bms/artifacts';
import { FolderTakenError, lockFolder, StartError } from '@bms/lifecycle';

/** Takes the mesh's data folder for this supervisor; throws a StartError that says what to change. */
export function takeDataFolder(folder: string): { release(): void } {
  try {
    makeFolder(resolve(folder));
    accessSync(folder, constants.W_OK | constants.X_OK);
    return lockFolder(folder, 'bms up');
  } catch (error) {
    if (error instanceof FolderTakenError) {
      throw new StartError(
        `a mesh runs on the folder ${folder} already: ${error.owner.program} (pid ${error.owner.pid}); ` +
          'stop it, or choose another folder with --data (and other ports with --port-base)',
      );
    }
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new StartError(`the folder ${folder} cannot be written (${code}): choose another with --data`, {
      cause: error,
    });
  }
}
