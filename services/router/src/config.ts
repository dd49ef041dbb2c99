import { join } from 'node:path';
import { TRANSPORTS } from '@bms/data-plane';
import { loadSettings, serviceFields, setting, SettingsError, type SettingsSources } from '@bms/settings';
import { MESSAGE_LIMIT_BYTES_DEFAULT } from '@bms/transport';
import { z } from 'zod';

export const settingsSchema = z.object({
  ...serviceFields,
  state: setting.optionalText().describe('folder of the last routes; DATA/routers/0 by default'),
  grpcPort: setting.port(8500).describe('port of the Open Inference Protocol (gRPC)'),
  restPort: setting.port(8501).describe("port of TensorFlow Serving's REST"),
  operationsPort: setting.port(8502).describe('port of /metrics, /healthz and /readyz'),
  registry: setting.list(['127.0.0.1:8700']).describe('gRPC addresses of the registry replicas'),
  messageLimit: setting.bytes(MESSAGE_LIMIT_BYTES_DEFAULT).describe('largest request taken'),
  bytesInFlightLimit: setting.bytes(512 * 1024 * 1024).describe('bytes of requests that may be in memory at once'),
  deadlineMs: setting.durationMs(60_000).describe('how long a request may take whose caller does not say'),
  waitMs: setting
    .durationMs(10_000, 0)
    .describe('how long a request waits for a worker to come back when none is connected'),
  transport: setting.choice(TRANSPORTS, 'h2').describe('what predictions travel on: h2 (our own HTTP/2) or grpc-js'),
  callsPerWorker: setting.integer(1_000, 1, 1_000_000).describe('requests that may be under way to one worker'),
});

export type RouterConfig = Omit<z.infer<typeof settingsSchema>, 'state'> & { readonly state: string };

/** Throws SettingsError. */
export function loadConfig(sources: SettingsSources): RouterConfig {
  const settings = loadSettings('router', settingsSchema, sources);
  if (settings.bytesInFlightLimit < 2 * settings.messageLimit) {
    throw new SettingsError(
      `setting bytesInFlightLimit (--bytes-in-flight-limit, BMS_BYTES_IN_FLIGHT_LIMIT) is ${settings.bytesInFlightLimit}: ` +
        `allowed is twice messageLimit (${settings.messageLimit}) or more, so that the largest request has room, as JSON and as tensors`,
    );
  }
  return { ...settings, state: settings.state ?? join(settings.data, 'routers', '0') };
}
