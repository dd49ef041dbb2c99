import { BmsError, Reason, type routeService } from '@bms/contracts';
import { RouteTable } from './route-table';

/**
 * What a message of the route watch means for the routes in use.
 * - `use`: they become `table`
 * - `keep`: nothing new
 * - `foreign`: the registry belongs to another mesh than the routes
 * - `behind`: the registry is at an earlier point than the routes: it lags, or is cut off from its store
 */
export type FeedVerdict =
  | { readonly kind: 'use'; readonly table: RouteTable }
  | { readonly kind: 'keep' }
  | { readonly kind: 'foreign'; readonly meshId: string }
  | { readonly kind: 'behind'; readonly revision: bigint };

/**
 * @param held the routes in use
 * @param opened whether the stream's snapshot has been taken
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
    case 'delta': {
      if (held === undefined || !opened)
        throw new BmsError(Reason.INTERNAL, 'the registry sent a delta before a snapshot');
      const delta = message.kind.value;
      return delta.revision <= held.revision ? { kind: 'keep' } : { kind: 'use', table: held.with(delta) };
    }
    case undefined:
      return { kind: 'keep' }; // of a later version; its routes come with what we know
  }
}

function judgeSnapshot(held: RouteTable | undefined, snapshot: routeService.RouteSnapshot): FeedVerdict {
  if (held !== undefined && held.meshId !== snapshot.meshId) return { kind: 'foreign', meshId: snapshot.meshId };
  const table = RouteTable.of(snapshot);
  return held?.isAfter(table) === true ? { kind: 'behind', revision: table.revision } : { kind: 'use', table };
}
