import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The etcd that tests run: the file that BMS_ETCD names, or `etcd` on the PATH; undefined where there is none. */
export function findEtcd(): string | undefined {
  // eslint-disable-next-line no-restricted-syntax -- tests have no config.ts
  const { BMS_ETCD: named, PATH = '' } = process.env;
  if (named !== undefined && named !== '') return isExecutable(named) ? named : undefined;
  return PATH.split(delimiter)
    .map((folder) => join(folder, 'etcd'))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
