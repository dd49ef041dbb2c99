import type { models as proto, routeService, VersionId } from '@bms/contracts';
import type { Revision } from '@bms/metastore';
import { addCalls, addTotals, NO_CALLS, totalsByVersion, type TotalsByVersion } from './call-totals';
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

interface Counted {
  readonly incarnation: string;
  totals: TotalsByVersion;
}

/** The routers that are connected to this registry, and what all routers have counted since it started. In memory only. */
export class RouterConnections implements Changing {
  private readonly changes = new ChangeSource();
  private readonly connections = new Map<string, RouterConnection>();
  /** The latest totals of each router's present incarnation; they stay when its stream breaks. */
  private readonly counted = new Map<string, Counted>();
  /** What earlier incarnations had counted when they were last heard of, so that a router's restart makes no count fall. */
  private ended: TotalsByVersion = new Map();

  onChange(listener: () => void): () => void {
    return this.changes.onChange(listener);
  }

  /** By router id. A router that opens another stream is here with that one alone: the older one may hang half-open. */
  list(): readonly RouterConnection[] {
    return [...this.connections.values()].sort((one, other) => (one.hello.routerId < other.hello.routerId ? -1 : 1));
  }

  get size(): number {
    return this.connections.size;
  }

  open(hello: routeService.RouterHello): RouterConnection {
    const id = hello.routerId;
    this.beginCount(hello);
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
      count: (totals) => {
        const mine = this.counted.get(id);
        if (mine?.incarnation === hello.incarnation) mine.totals = totalsByVersion(totals);
      },
      close: () => {
        if (this.connections.get(id) !== connection) return;
        this.connections.delete(id);
        this.changes.announce();
      },
    };
    this.connections.set(id, connection);
    this.changes.announce();
    return connection;
  }

  /** Calls of a version, by the worker that answered; `""` for those that reached none. */
  callsOf(version: VersionId): ReadonlyMap<string, proto.CallTotals> {
    const sum = new Map(this.ended.get(version));
    for (const { totals } of this.counted.values()) {
      for (const [worker, calls] of totals.get(version) ?? [])
        sum.set(worker, addCalls(sum.get(worker) ?? NO_CALLS, calls));
    }
    return sum;
  }

  private beginCount(hello: routeService.RouterHello): void {
    const before = this.counted.get(hello.routerId);
    if (before?.incarnation === hello.incarnation) return;
    if (before !== undefined) this.ended = addTotals(this.ended, before.totals);
    this.counted.set(hello.routerId, { incarnation: hello.incarnation, totals: new Map() });
  }
}
