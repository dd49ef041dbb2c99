import { setting } from './fields';

/** From what is logged most to what is logged least. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The settings that every service has: spread into its schema. */
export const serviceFields = {
  data: setting.text('.bms').describe('folder that holds everything the mesh keeps'),
  host: setting.text('127.0.0.1').describe('address to bind to'),
  advertise: setting.optionalText().describe('host that others are told, where HOST is a wildcard'),
  insecure: setting
    .flag(false)
    .describe('allow a HOST beyond loopback although calls are neither encrypted nor authenticated'),
  logLevel: setting.choice(LOG_LEVELS, 'info').describe('least level that is logged'),
};
