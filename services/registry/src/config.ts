import { join } from 'node:path';
import { loadSettings, serviceFields, setting, SettingsError, type SettingsSources } from '@bms/settings';
import { z } from 'zod';

export const settingsSchema = z.object({
  ...serviceFields,
  grpcPort: setting.port(8700).describe('port of the registry API (gRPC)'),
  operationsPort: setting.port(8702).describe('port of /metrics, /healthz and /readyz'),
  store: setting.text('embedded').describe('where metadata is kept: embedded, in the data folder of this one registry'),
  leaseTtlMs: setting
    .durationMs(10_000, 500, 600_000)
    .describe('how long a worker that is not heard of any more counts as alive'),
  replicas: setting.integer(2, 1, 1_000).describe('on how many workers a version is held that does not say'),
});

export type RegistryConfig = z.infer<typeof settingsSchema>;

/** Throws SettingsError. */
export function loadConfig(sources: SettingsSources): RegistryConfig {
  const settings = loadSettings('registry', settingsSchema, sources);
  if (settings.store !== 'embedded') {
    throw new SettingsError(
      `setting store (--store, BMS_STORE) is ${JSON.stringify(settings.store)}: allowed is embedded`,
    );
  }
  return settings;
}

/** Belongs to one registry: its metadata. */
export function storeFolder({ data }: RegistryConfig): string {
  return join(data, 'registry', 'store');
}

/** Artifacts by digest; registries may share it. */
export function blobFolder({ data }: RegistryConfig): string {
  return join(data, 'registry', 'blobs');
}
