import type { RouteTable } from './route-table';

/**
 * The one reference where the route watch and the request path meet: the watch replaces the table, a request reads it.
 */
export class Catalog {
  private table: RouteTable | undefined;
  private readonly listeners = new Set<(table: RouteTable) => void>();

  /** Undefined until there are routes. */
  get current(): RouteTable | undefined {
    return this.table;
  }

  /** From here on requests are routed by `table`; the listeners have run when it returns. */
  replace(table: RouteTable): void {
    this.table = table;
    for (const listener of this.listeners) listener(table);
  }

  onChange(listener: (table: RouteTable) => void): void {
    this.listeners.add(listener);
  }
}
