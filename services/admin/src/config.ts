import { join } from 'node:path';
import { loadSettings, serviceFields, setting, type SettingsSources } from '@bms/settings';
import { z } from 'zod';

export const settingsSchema = z.object({
  ...serviceFields,
  state: setting.optionalText().describe('folder of the audit log; DATA/admin by default'),
  grpcPort: setting.port(8600).describe('port of the management API (gRPC)'),
  httpPort: setting.port(8601).describe('port of the dashboard and the JSON API'),
  operationsPort: setting.port(8602).describe('port of /metrics, /healthz and /readyz'),
  registry: setting.list(['127.0.0.1:8700']).describe('gRPC addresses of the registry replicas'),
});

export type AdminConfig = Omit<z.infer<typeof settingsSchema>, 'state'> & { readonly state: string };

/** Throws SettingsError. */
export function loadConfig(sources: SettingsSources): AdminConfig {
  const settings = loadSettings('admin', settingsSchema, sources);
  return { ...settings, state: settings.state ?? join(settings.data, 'admin') };
}
