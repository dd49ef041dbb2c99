import type { Revision } from '@bms/metastore';
import { ChangeSource, type Changing } from './change-source';
import { EMPTY_ROUTE_TABLE, nextRouteTable, type RouteTable } from './route-table';
import type { StoreMirror } from './store-mirror';

/** The present routes, made once for all routers of this registry. */
export class RouteFeed implements Changing {
  private readonly changes = new ChangeSource();
  private table: RouteTable = EMPTY_ROUTE_TABLE;

  /** Follows the mirror from now on; must be made before the mirror starts, or it misses what was there. */
  constructor(private readonly mirror: StoreMirror) {
    mirror.onChange((snapshot, change) => {
      const { changedRevision } = this.table;
      this.table = nextRouteTable(this.table, snapshot, change);
      this.changes.announce();
      if (this.table.changedRevision !== changedRevision) this.routesChanged.announce();
    });
  }

  /** Changes of a route, not of the revision alone. */
  readonly routesChanged = new ChangeSource();

  get present(): RouteTable {
    return this.table;
  }

  get revision(): Revision {
    return this.table.revision;
  }

  /** Which history of the store the revisions are of. */
  get epoch(): bigint {
    return BigInt(this.mirror.epoch);
  }

  onChange(listener: () => void): () => void {
    return this.changes.onChange(listener);
  }
}
