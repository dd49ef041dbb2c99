import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of the package that a file belongs to: give its `__dirname`, which is the package's `src` or `dist`. */
export function ownVersion(folder: string): string {
  const { version } = JSON.parse(readFileSync(join(folder, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}
