import { loadSettings, setting, type SettingsSources } from '@bms/settings';
import { z } from 'zod';

/** What `bms up` can be told. */
export const meshSchema = z.object({
  data: setting.text('.bms').describe('folder that holds everything the mesh keeps'),
  host: setting.text('127.0.0.1').describe('address that all services bind to'),
  advertise: setting.optionalText().describe('host that others are told, where HOST is a wildcard'),
  insecure: setting
    .flag(false)
    .describe('allow a HOST beyond loopback although calls are neither encrypted nor authenticated'),
  portBase: setting.integer(8500, 1, 65_000).describe('first port; all others follow from it'),
  workers: setting.integer(2, 1, 64).describe('inference workers to start'),
  device: setting.text('cpu').describe('execution provider of the workers: cpu, cuda:0, webgpu'),
  logLevel: setting.choice(['trace', 'debug', 'info', 'warn', 'error'], 'info').describe('least level that is logged'),
  example: setting.flag(false).describe('push the digits example into an empty mesh'),
});

export type MeshSettings = z.infer<typeof meshSchema>;

/** Throws SettingsError. */
export function loadMeshSettings(sources: SettingsSources): MeshSettings {
  return loadSettings('mesh', meshSchema, sources);
}
