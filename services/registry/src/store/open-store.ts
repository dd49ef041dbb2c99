import type { TlsFiles } from '@bms/transport';
import { StartError } from '@bms/lifecycle';
import { openEmbeddedStore, openEtcdStore, StoreOpenError, type MetaStore } from '@bms/metastore';
import { storeFolder, type RegistryConfig } from '../config';
import { readCredentialFile } from './credential-file';

const PEM_BYTES_MAX = 1024 * 1024;
const PASSWORD_BYTES_MAX = 4096;

/**
 * Opens the store that the settings name. Throws StartError in one sentence: a file that cannot be read or is too large, an etcd that cannot
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
    ca: storeCa === undefined ? undefined : readCredentialFile('--store-ca', storeCa, PEM_BYTES_MAX),
    cert: storeCert === undefined ? undefined : readCredentialFile('--store-cert', storeCert, PEM_BYTES_MAX),
    key: storeKey === undefined ? undefined : readCredentialFile('--store-key', storeKey, PEM_BYTES_MAX),
  };
}

/** Editors leave a line's end behind the password. */
function passwordIn(file: string): string {
  const password = readCredentialFile('--store-password-file', file, PASSWORD_BYTES_MAX)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (password === '')
    throw new StartError(`--store-password-file names ${file}, which is empty: a password is needed`);
  return password;
}
