import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findEtcd } from './find-etcd';

/** Runs etcdctl, from the PATH or beside etcd, against `endpoint`; answers what it prints. */
export async function etcdctl(endpoint: string, ...args: readonly string[]): Promise<string> {
  const beside = findEtcd();
  // eslint-disable-next-line no-restricted-syntax -- tests have no config.ts
  const { PATH = '', ...environment } = process.env;
  const path = beside === undefined ? PATH : `${PATH}:${dirname(join(beside))}`;
  const env = { ...environment, PATH: path, ETCDCTL_API: '3' };
  const { stdout } = await promisify(execFile)('etcdctl', ['--endpoints', endpoint, ...args], { env });
  return stdout;
}

/** Makes a data folder of a snapshot, with etcdutl where etcdctl cannot any more. */
export async function restoreSnapshot(snapshot: string, flags: readonly string[]): Promise<void> {
  await etcdctl('127.0.0.1:1', 'snapshot', 'restore', snapshot, ...flags);
}
