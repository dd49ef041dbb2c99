import type { Logger } from '@bms/telemetry';
import type { LinkEvent } from './registry-link';

/** Logs what happens to the link: each failure once until it is attached again, not with every attempt. */
export function linkLog(logger: Logger): (event: LinkEvent) => void {
  const said = new Set<string>();
  return (event) => {
    if (event.kind === 'attached') {
      said.clear();
      logger.info({ registry: event.address, meshId: event.meshId }, 'attached');
      return;
    }
    const failure = `${event.address}: ${event.error.message}`;
    const level = said.has(failure) ? 'debug' : 'warn';
    said.add(failure);
    logger[level](
      { registry: event.address, error: event.error.message },
      'not attached; serving what is held, trying again',
    );
  };
}
