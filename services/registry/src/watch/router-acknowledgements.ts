import type { Revision } from '@bms/metastore';
import type { Clock } from '../clock';
import { waitUntil, type Changing } from './change-source';
import type { RouteFeed } from './route-feed';
import type { RouterConnection, RouterConnections } from './router-connections';

export type Acknowledgement =
  | { readonly kind: 'acknowledged' }
  /** The bound has passed; these routers still route by something older. */
  | { readonly kind: 'missing'; readonly routers: readonly string[] };

/**
 * What the connected routers route by. A router that has the last change of any route is up to date, however many
 * revisions the store has moved on since without touching a route: those are neither sent nor acknowledged.
 */
export class RouterAcknowledgements implements Changing {
  constructor(
    private readonly feed: RouteFeed,
    private readonly connections: RouterConnections,
    private readonly clock: Clock,
  ) {}

  onChange(listener: () => void): () => void {
    return this.connections.onChange(listener);
  }

  /** Every connected router routes by at least this. Without routers: the present routes. */
  acknowledgedRevision(): Revision {
    const { revision, changedRevision } = this.feed.present;
    let lowest = revision;
    for (const { acknowledgedRevision } of this.connections.list()) {
      if (acknowledgedRevision < changedRevision && acknowledgedRevision < lowest) lowest = acknowledgedRevision;
    }
    return lowest;
  }

  /**
   * Waits until every router that is connected routes by everything up to `revision`. One that disconnects is not waited
   * for any more; one that connects is. Throws CANCELLED when `signal` is aborted.
   */
  async waitFor(revision: Revision, boundMs: number, signal: AbortSignal): Promise<Acknowledgement> {
    let needed: Revision | undefined;
    const check = (): true | undefined => {
      const { present } = this.feed;
      if (present.revision < revision) return undefined;
      // Fixed when the routes have the revision, so that changes that keep coming cannot put the end off.
      needed ??= present.changedRevision;
      return this.behind(needed).length === 0 ? true : undefined;
    };
    const done = await waitUntil([this.feed, this.connections], check, { clock: this.clock, signal, boundMs });
    if (done === true) return { kind: 'acknowledged' };
    return { kind: 'missing', routers: this.behind(needed ?? revision).map(({ hello }) => hello.routerId) };
  }

  private behind(revision: Revision): readonly RouterConnection[] {
    return this.connections.list().filter(({ acknowledgedRevision }) => acknowledgedRevision < revision);
  }
}
