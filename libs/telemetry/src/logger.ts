import type { LogLevel } from '@bms/settings';
import { destination, pino, type Logger } from 'pino';

export type { Logger };

/** JSON lines on stdout, one per event, each with the service's name and the process id. */
export function createLogger(service: string, level: LogLevel): Logger {
  return pino(
    { name: service, level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    destination({ dest: 1, sync: true }),
  );
}
