import { join } from 'node:path';
import { loadSettings, serviceFields, setting, SettingsError, type SettingsSources } from '@bms/settings';
import { z } from 'zod';
import { MESH_PREFIX_DEFAULT } from './records/keys';
import { parseStoreAddress, type StoreAddress } from './store/store-address';

export const settingsSchema = z.object({
  ...serviceFields,
  grpcPort: setting.port(8700).describe('port of the registry API (gRPC)'),
  operationsPort: setting.port(8702).describe('port of /metrics, /healthz and /readyz'),
  store: setting
    .text('embedded')
    .describe(
      'where metadata is kept: embedded (in the data folder of this one registry), or etcd://HOST:PORT[,HOST:PORT…], with TLS etcds://…',
    ),
  storePrefix: setting
    .text(MESH_PREFIX_DEFAULT)
    .describe('what all keys of this mesh begin with in etcd: /, then words with a / behind each'),
  storeCa: setting
    .optionalText()
    .describe("file (PEM) with the certificates that sign etcd's own; the system's by default"),
  storeCert: setting.optionalText().describe('file (PEM) with the certificate that this registry shows to etcd'),
  storeKey: setting.optionalText().describe('file (PEM) with the key of that certificate'),
  storeUser: setting.optionalText().describe('user of etcd'),
  storePasswordFile: setting.optionalText().describe("file that holds that user's password"),
  state: setting
    .optionalText()
    .describe('folder of this one registry: its id, and how far it has seen the store; DATA/registries/0 by default'),
  blobs: setting
    .optionalText()
    .describe('folder of the artifacts, shared by all registries of a mesh; DATA/registry/blobs by default'),
  leaseTtlMs: setting
    .durationMs(10_000, 500, 600_000)
    .describe('how long a worker or a registry that is not heard of any more counts as alive'),
  replicas: setting.integer(2, 1, 1_000).describe('on how many workers a version is held that does not say'),
  export: setting.optionalText().describe('write the mesh into this folder and end: see "bms store export"'),
  import: setting.optionalText().describe('bring the mesh in this folder into an empty store and end'),
});

export type RegistryConfig = z.infer<typeof settingsSchema> & { readonly storeAddress: StoreAddress };

/** Throws SettingsError. */
export function loadConfig(sources: SettingsSources): RegistryConfig {
  const settings = loadSettings('registry', settingsSchema, sources);
  const storeAddress = parseStoreAddress(settings.store);
  checkPrefix(settings.storePrefix);
  checkCredentials(settings, storeAddress);
  return { ...settings, storeAddress };
}

/** Belongs to one registry: its metadata. */
export function storeFolder({ data }: Pick<RegistryConfig, 'data'>): string {
  return join(data, 'registry', 'store');
}

/** Artifacts by digest; registries may share it. */
export function blobFolder({ data, blobs }: Pick<RegistryConfig, 'data' | 'blobs'>): string {
  return blobs ?? join(data, 'registry', 'blobs');
}

/** Belongs to one registry: who it is. */
export function stateFolder({ data, state }: Pick<RegistryConfig, 'data' | 'state'>): string {
  return state ?? join(data, 'registries', '0');
}

function checkPrefix(prefix: string): void {
  if (/^\/(?:[A-Za-z0-9._-]+\/)+$/.test(prefix) && prefix.length <= 200) return;
  throw new SettingsError(
    `setting storePrefix (--store-prefix, BMS_STORE_PREFIX) is ${JSON.stringify(prefix.slice(0, 210))}: ` +
      'allowed is /, then words of letters, digits, ".", "_" or "-" with a / behind each, at most 200 characters',
  );
}

type Credentials = Pick<
  z.infer<typeof settingsSchema>,
  'storeCa' | 'storeCert' | 'storeKey' | 'storeUser' | 'storePasswordFile'
>;

/** Credentials that would not be used are a mistake, and half of a pair is one, too. */
function checkCredentials(settings: Credentials, address: StoreAddress): void {
  const { storeCert, storeKey, storeUser, storePasswordFile } = settings;
  const tls = address.kind === 'etcd' && address.tls;
  for (const key of ['storeCa', 'storeCert', 'storeKey'] as const) {
    if (settings[key] !== undefined && !tls) refuse(key, settings[key], 'only with --store etcds://…, which uses TLS');
  }
  for (const key of ['storeUser', 'storePasswordFile'] as const) {
    if (settings[key] !== undefined && address.kind !== 'etcd') {
      refuse(key, settings[key], 'only with --store etcd://… or etcds://…');
    }
  }
  if (storeCert !== undefined && storeKey === undefined)
    refuse('storeCert', storeCert, 'only together with --store-key');
  if (storeKey !== undefined && storeCert === undefined)
    refuse('storeKey', storeKey, 'only together with --store-cert');
  if (storeUser !== undefined && storePasswordFile === undefined) {
    refuse('storeUser', storeUser, 'only together with --store-password-file');
  }
  if (storePasswordFile !== undefined && storeUser === undefined) {
    refuse('storePasswordFile', storePasswordFile, 'only together with --store-user');
  }
}

const FLAGS: Readonly<Record<keyof Credentials, string>> = {
  storeCa: '--store-ca, BMS_STORE_CA',
  storeCert: '--store-cert, BMS_STORE_CERT',
  storeKey: '--store-key, BMS_STORE_KEY',
  storeUser: '--store-user, BMS_STORE_USER',
  storePasswordFile: '--store-password-file, BMS_STORE_PASSWORD_FILE',
};

function refuse(key: keyof Credentials, value: string, allowed: string): never {
  throw new SettingsError(`setting ${key} (${FLAGS[key]}) is ${JSON.stringify(value)}: allowed is ${allowed}`);
}
