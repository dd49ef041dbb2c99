import type { routeService } from '@bms/contracts';
import type { Clock } from '../clock';
import type { KnownRouter, MeshRouters } from './mesh-routers';

/** By then the half-open stream of a router that was restarted has been ended, so that one id twice means two routers. */
export const TWIN_AFTER_MS = 5_000;

/** Looks once, when a router's stream has lived for a while, whether another router runs with its id. Answers how to stop. */
export function watchForTwin(
  { routerId, incarnation }: routeService.RouterHello,
  routers: Pick<MeshRouters, 'list'>,
  clock: Clock,
  onTwin: (twin: KnownRouter) => void,
): () => void {
  return clock.after(TWIN_AFTER_MS, () => {
    const twin = routers
      .list()
      .find(({ hello, heard }) => heard && hello.routerId === routerId && hello.incarnation !== incarnation);
    if (twin !== undefined) onTwin(twin);
  });
}
