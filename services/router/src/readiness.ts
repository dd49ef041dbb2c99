import type { Readiness } from '@bms/telemetry';
import type { Catalog } from './catalog/catalog';
import type { Fleet } from './fleet/fleet';

/**
 * Whether the router can do its job: it has routes, from the registry or from disk, and is connected to a worker if the routes
 * name any. A mesh without workers or models is no reason to be not ready: callers are told so in each error.
 */
export function readinessOf(
  catalog: Pick<Catalog, 'current'>,
  fleet: Pick<Fleet, 'size'>,
  stopping: boolean,
): Readiness {
  if (stopping) return { ready: false, reason: 'the router is stopping' };
  if (catalog.current === undefined) return { ready: false, reason: 'no routes yet: the registry was not reached' };
  const { routed, connected } = fleet.size;
  if (routed > 0 && connected === 0) return { ready: false, reason: `none of ${routed} workers is connected` };
  return { ready: true };
}
