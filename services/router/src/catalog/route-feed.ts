import { BmsError, Reason, type routeService } from '@bms/contracts';
import { RouteTable } from './route-table';

/**
 * What a message of the route watch means for the routes in use.
 * - `use`: they become `table`
 * - `keep`: nothing new
 * - `current`: the routes in use are what the registry has, too
 * - `foreign`: the registry belongs to another mesh than the routes
 * - `behind`: the registry is at an earlier point than the routes: it lags, or is cut off from its store
 */
export type FeedVerdict =
  | { readonly kind: 'use'; readonly table: RouteTable }
  | { readonly kind: 'keep' }
  | { readonly kind: 'current' }
  | { readonly kind: 'foreign'; readonly meshId: string }
  | { readonly kind: 'behind'; readonly revision: bigint };

/**
 * @param held the routes in use
 * @param opened whether the stream's first message has been taken
 * Throws INTERNAL for what a registry never sends.
 */
export function judgeFeed(
  held: RouteTable | undefined,
  message: routeService.WatchRoutesResponse,
  opened: boolean,
): FeedVerdict {
  switch (message.kind?.$case) {
    case 'snapshot':
      return judgeSnapshot(held, message.kind.value);
    case 'delta':
      return judgeDelta(held, message.kind.value, opened);
    case undefined:
      return { kind: 'keep' }; // of a later version; its routes come with what we know
  }
}

function judgeDelta(held: RouteTable | undefined, delta: routeService.RouteDelta, opened: boolean): FeedVerdict {
  // Whoever has said in its hello that it holds this very revision is sent no snapshot.
  if (!opened && delta.revision === held?.revision) return { kind: 'current' };
  if (held === undefined || !opened) {
    throw new BmsError(Reason.INTERNAL, 'the registry sent a delta before a snapshot');
  }
  return delta.revision <= held.revision ? { kind: 'keep' } : { kind: 'use', table: held.with(delta) };
}

function judgeSnapshot(held: RouteTable | undefined, snapshot: routeService.RouteSnapshot): FeedVerdict {
  if (held !== undefined && held.meshId !== snapshot.meshId) return { kind: 'foreign', meshId: snapshot.meshId };
  const table = RouteTable.of(snapshot);
  return held?.isAfter(table) === true ? { kind: 'behind', revision: table.revision } : { kind: 'use', table };
}
