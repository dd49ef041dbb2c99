import { readFileSync, statSync, type Stats } from 'node:fs';
import { StartError } from '@bms/lifecycle';

/**
 * What a file that a setting names holds. Devices and pipes may never end, so only regular files are read. Throws StartError
 * in one sentence that names the setting.
 */
export function readCredentialFile(flag: string, file: string, sizeBytesMax: number): Buffer {
  const found = attempt(flag, file, (): Stats => statSync(file));
  if (!found.isFile()) throw new StartError(`${flag} names ${file}, which is not a regular file`);
  if (found.size > sizeBytesMax) {
    throw new StartError(`${flag} names ${file}, which has ${found.size} bytes: at most ${sizeBytesMax} are allowed`);
  }
  return attempt(flag, file, () => readFileSync(file));
}

function attempt<T>(flag: string, file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StartError(`${flag} names ${file}, which cannot be read (${code ?? 'no reason given'})`, { cause });
  }
}
