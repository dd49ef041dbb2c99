import type { models as proto, peerService, routeService, VersionId } from '@bms/contracts';
import type { Revision } from '@bms/metastore';
import { addCalls, addTotals, laterCalls, NO_CALLS, totalsByVersion, type TotalsByVersion } from './call-totals';
import { ChangeSource, type Changing } from './change-source';

/** One router's stream, as long as it lives. */
export interface RouterConnection {
  readonly hello: routeService.RouterHello;
  /** The highest revision that its request path uses. */
  readonly acknowledgedRevision: Revision;
  acknowledge(revision: Revision): void;
  count(totals: routeService.RouterTotals): void;
  close(): void;
}

/** What one run of a router has counted, as it said last. */
export interface CountedRouter {
  readonly routerId: string;
  readonly incarnation: string;
  readonly totals: TotalsByVersion;
}

interface Counted extends CountedRouter {
  readonly message: routeService.RouterTotals;
}

/** So many runs of routers are kept apart; what older ones had counted is kept as one sum. */
const RUNS_MAX = 256;

/** The routers that are connected to this registry, and what all routers have counted since it started. In memory only. */
export class RouterConnections implements Changing {
  private readonly changes = new ChangeSource();
  /** By router and incarnation: two routers whose state folders are copies have one id, and both count. */
  private readonly connections = new Map<string, RouterConnection>();
  /** By router and incarnation, the one that began last at the end; they stay when its stream breaks, so that no count falls. */
  private readonly counted = new Map<string, Counted>();
  private older: TotalsByVersion = new Map();
  private told = 0;

  onChange(listener: () => void): () => void {
    return this.changes.onChange(listener);
  }

  /** By router id. A run of a router that opens another stream is here with that one alone: the older one may hang half-open. */
  list(): readonly RouterConnection[] {
    return [...this.connections.values()].sort((one, other) =>
      routerRun(one.hello) < routerRun(other.hello) ? -1 : 1,
    );
  }

  get size(): number {
    return this.connections.size;
  }

  open(hello: routeService.RouterHello): RouterConnection {
    const key = routerRun(hello);
    let acknowledgedRevision = 0n;
    const connection: RouterConnection = {
      hello,
      get acknowledgedRevision() {
        return acknowledgedRevision;
      },
      acknowledge: (revision) => {
        if (revision <= acknowledgedRevision) return;
        acknowledgedRevision = revision;
        this.changes.announce();
      },
      count: (message) => this.count(hello, message),
      close: () => {
        if (this.connections.get(key) !== connection) return;
        this.connections.delete(key);
        this.changes.announce();
      },
    };
    this.connections.set(key, connection);
    this.changes.announce();
    return connection;
  }

  /** Grows whenever a router tells its totals. */
  get totalsTold(): number {
    return this.told;
  }

  /** What routers have told, for other registries. */
  totals(): peerService.PeerRouterTotals[] {
    return [...this.counted.values()].map(({ routerId, incarnation, message }) => ({
      routerId,
      incarnation,
      totals: message,
    }));
  }

  /**
   * Calls of a version, by the worker that answered; `""` for those that reached none. With what other registries were told
   * by `others`: a run that several know, because the router has moved, counts once.
   */
  callsOf(version: VersionId, others: readonly CountedRouter[] = []): ReadonlyMap<string, proto.CallTotals> {
    const sum = new Map(this.older.get(version));
    const runs = new Map<string, Map<string, proto.CallTotals>>();
    for (const run of [...this.counted.values(), ...others]) {
      const key = routerRun(run);
      const known = runs.get(key) ?? new Map<string, proto.CallTotals>();
      for (const [worker, calls] of run.totals.get(version) ?? []) {
        known.set(worker, laterCalls(known.get(worker) ?? NO_CALLS, calls));
      }
      runs.set(key, known);
    }
    for (const workers of runs.values()) {
      for (const [worker, calls] of workers) sum.set(worker, addCalls(sum.get(worker) ?? NO_CALLS, calls));
    }
    return sum;
  }

  private count({ routerId, incarnation }: routeService.RouterHello, message: routeService.RouterTotals): void {
    const run = { routerId, incarnation, message, totals: totalsByVersion(message) };
    this.counted.set(routerRun(run), run);
    this.told++;
    for (const [key, { totals }] of this.counted) {
      if (this.counted.size <= RUNS_MAX) return;
      this.older = addTotals(this.older, totals);
      this.counted.delete(key);
    }
  }
}

/** One run of a router. */
export function routerRun({ routerId, incarnation }: Pick<CountedRouter, 'routerId' | 'incarnation'>): string {
  return JSON.stringify([routerId, incarnation]);
}
