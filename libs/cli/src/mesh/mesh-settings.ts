import { loadSettings, serviceFields, setting, SettingsError, type SettingsSources } from '@bms/settings';
import { z } from 'zod';

/** Replicas of a service have their ports ten apart, between those of two services. */
export const SERVICE_REPLICAS_MAX = 10;

const storeField = setting.optionalText();

/** Where the metadata is kept: handed on to each registry as it is, and left to its own settings where nothing is said. */
export const storeFields = {
  store: storeField.describe('where metadata is kept: embedded (the default), or etcd://HOST:PORT, etcds://… with TLS'),
  storePrefix: storeField.describe('what the keys of this mesh start with in a shared etcd: /bms/main/ unless told'),
  storeCa: storeField.describe("file of the certificates that etcd's own must be signed by (PEM)"),
  storeCert: storeField.describe('file of the client certificate for etcd (PEM)'),
  storeKey: storeField.describe('file of its key (PEM)'),
  storeUser: storeField.describe('user at etcd'),
  storePasswordFile: storeField.describe("file that holds that user's password"),
};

/** What `bms up` can be told. */
export const meshSchema = z.object({
  ...serviceFields,
  host: serviceFields.host.describe('address that all services bind to'),
  portBase: setting.integer(8500, 1, 65_000).describe('first port; all others follow from it'),
  workers: setting.integer(2, 1, 64).describe('inference workers to start'),
  registries: setting
    .integer(1, 1, SERVICE_REPLICAS_MAX)
    .describe('registries to start, over one etcd; the i-th further one has its ports 10·i higher'),
  routers: setting
    .integer(1, 1, SERVICE_REPLICAS_MAX)
    .describe('routers to start; the i-th further one has its ports 10·i higher'),
  device: setting
    .list(['cpu'])
    .describe(
      'device of the workers, such as cpu, cuda:0, webgpu, or auto (the first GPU that works, else the CPU): one for all, or one for each, with commas between',
    ),
  ...storeFields,
  example: setting.flag(false).describe('push the digits example into an empty mesh'),
});

export type MeshSettings = z.infer<typeof meshSchema>;

/** Throws SettingsError. */
export function loadMeshSettings(sources: SettingsSources): MeshSettings {
  const settings = loadSettings('mesh', meshSchema, sources);
  const { registries, store = 'embedded', device, workers } = settings;
  if (registries > 1 && store === 'embedded') {
    throw new SettingsError(
      `setting registries (--registries, BMS_REGISTRIES) is ${registries}: ` +
        'the embedded store belongs to one registry; several need --store etcd://HOST:PORT',
    );
  }
  if (device.length !== 1 && device.length !== workers) {
    throw new SettingsError(
      `setting device (--device, BMS_DEVICE) names ${device.length} devices for ${workers} workers: allowed is one for all, or one for each`,
    );
  }
  return settings;
}
