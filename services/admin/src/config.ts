import { join } from 'node:path';
import { loadSettings, setting, type SettingsSources } from '@bms/settings';
import { LOG_LEVELS } from '@bms/telemetry';
import { z } from 'zod';

export const settingsSchema = z.object({
  data: setting.text('.bms').describe('folder that holds everything the mesh keeps'),
  state: setting.optionalText().describe('folder of the audit log; DATA/admin by default'),
  host: setting.text('127.0.0.1').describe('address to bind to'),
  advertise: setting.optionalText().describe('host that others are told, where HOST is a wildcard'),
  insecure: setting
    .flag(false)
    .describe('allow a HOST beyond loopback although calls are neither encrypted nor authenticated'),
  grpcPort: setting.port(8600).describe('port of the management API (gRPC)'),
  httpPort: setting.port(8601).describe('port of the dashboard and the JSON API'),
  operationsPort: setting.port(8602).describe('port of /metrics, /healthz and /readyz'),
  registry: setting.list(['127.0.0.1:8700']).describe('gRPC addresses of the registry replicas'),
  logLevel: setting.choice(LOG_LEVELS, 'info').describe('least level that is logged'),
});

export type AdminConfig = Omit<z.infer<typeof settingsSchema>, 'state'> & { readonly state: string };

/** Throws SettingsError. */
export function loadConfig(sources: SettingsSources): AdminConfig {
  const settings = loadSettings('admin', settingsSchema, sources);
  return { ...settings, state: settings.state ?? join(settings.data, 'admin') };
}
