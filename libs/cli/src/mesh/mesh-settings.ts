import { loadSettings, serviceFields, setting, type SettingsSources } from '@bms/settings';
import { z } from 'zod';

/** What `bms up` can be told. */
export const meshSchema = z.object({
  ...serviceFields,
  host: serviceFields.host.describe('address that all services bind to'),
  portBase: setting.integer(8500, 1, 65_000).describe('first port; all others follow from it'),
  workers: setting.integer(2, 1, 64).describe('inference workers to start'),
  device: setting.text('cpu').describe('execution provider of the workers: cpu, cuda:0, webgpu'),
  example: setting.flag(false).describe('push the digits example into an empty mesh'),
});

export type MeshSettings = z.infer<typeof meshSchema>;

/** Throws SettingsError. */
export function loadMeshSettings(sources: SettingsSources): MeshSettings {
  return loadSettings('mesh', meshSchema, sources);
}
