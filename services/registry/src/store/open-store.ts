import { readFileSync } from 'node:fs';
import type { TlsFiles } from '@bms/grpc';
import { StartError } from '@bms/lifecycle';
import { openEmbeddedStore, openEtcdStore, StoreOpenError, type MetaStore } from '@bms/metastore';
import { storeFolder, type RegistryConfig } from '../config';

/**
 * Opens the store that the settings name. Throws StartError in one sentence: a file that cannot be read, an etcd that cannot
 * be reached or does not let us in; FolderTakenError where another process has the embedded one.
 */
export async function openStore(config: RegistryConfig, signal?: AbortSignal): Promise<MetaStore> {
  const { storeAddress: address } = config;
  if (address.kind === 'embedded') return openEmbeddedStore({ folder: storeFolder(config), program: 'registry' });
  const { storeUser, storePasswordFile } = config;
  const { endpoints } = address;
  const tls = address.tls ? tlsFiles(config) : undefined;
  const user =
    storeUser === undefined || storePasswordFile === undefined
      ? undefined
      : { name: storeUser, password: passwordIn(storePasswordFile) };
  try {
    return await openEtcdStore({
      endpoints,
      prefix: config.storePrefix,
      ...(tls && { tls }),
      ...(user && { user }),
      ...(signal && { signal }),
    });
  } catch (error) {
    if (error instanceof StoreOpenError) {
      throw new StartError(error.message, { cause: error, mayHelpToWait: error.mayHelpToWait });
    }
    throw error;
  }
}

function tlsFiles({ storeCa, storeCert, storeKey }: RegistryConfig): TlsFiles {
  return {
    ca: storeCa === undefined ? undefined : contentOf('--store-ca', storeCa),
    cert: storeCert === undefined ? undefined : contentOf('--store-cert', storeCert),
    key: storeKey === undefined ? undefined : contentOf('--store-key', storeKey),
  };
}

/** Editors leave a line's end behind the password. */
function passwordIn(file: string): string {
  const password = contentOf('--store-password-file', file)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (password === '')
    throw new StartError(`--store-password-file names ${file}, which is empty: a password is needed`);
  return password;
}

function contentOf(flag: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StartError(`${flag} names ${file}, which cannot be read (${code ?? 'no reason given'})`, { cause });
  }
}
