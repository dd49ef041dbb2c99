import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError } from '@bms/lifecycle';
import { loadConfig } from '../config';
import { openStore } from './open-store';

describe('the files that settings of the store name', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'bms-credentials-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const refusal = async (...argv: string[]): Promise<unknown> =>
    openStore(loadConfig({ argv: ['--data', root, ...argv], env: {} })).catch((error: unknown) => error);
  const ofPassword = (file: string): Promise<unknown> =>
    refusal('--store', 'etcd://127.0.0.1:1', '--store-user', 'ann', '--store-password-file', file);

  it.each(['/dev/zero', tmpdir()])('are not read where %s is no regular file', async (file) => {
    expect(await ofPassword(file)).toEqual(
      new StartError(`--store-password-file names ${file}, which is not a regular file`),
    );
  });

  it('may hold a password of 4 KiB', async () => {
    const file = join(root, 'password');
    writeFileSync(file, 'x'.repeat(4097));
    expect(await ofPassword(file)).toEqual(
      new StartError(`--store-password-file names ${file}, which has 4097 bytes: at most 4096 are allowed`),
    );
  });

  it('may hold 1 MiB of PEM', async () => {
    const file = join(root, 'ca.pem');
    writeFileSync(file, Buffer.alloc(1024 * 1024 + 1));
    expect(await refusal('--store', 'etcds://127.0.0.1:1', '--store-ca', file)).toEqual(
      new StartError(`--store-ca names ${file}, which has 1048577 bytes: at most 1048576 are allowed`),
    );
  });
});
