import type { Revision } from '@bms/metastore';
import type { Clock } from '../clock';
import { waitUntil, type Changing } from './change-source';
import type { KnownRouter, MeshRouters } from './mesh-routers';
import type { RouteFeed } from './route-feed';

export type Acknowledgement =
  | { readonly kind: 'acknowledged' }
  /** The bound has passed; these routers still route by something older, in words. */
  | { readonly kind: 'missing'; readonly routers: readonly string[] };

/**
 * What the routers of the mesh route by, whichever registry they follow. A router that has the last change of any route is up
 * to date, however many revisions the store has moved on since without touching a route: those are neither sent nor
 * acknowledged. A registry that cannot be reached while its lease lives may have routers that route by anything.
 */
export class RouterAcknowledgements implements Changing {
  constructor(
    private readonly feed: RouteFeed,
    private readonly routers: MeshRouters,
    private readonly clock: Clock,
  ) {}

  onChange(listener: () => void): () => void {
    return this.routers.onChange(listener);
  }

  /** Every router routes by at least this. Without routers: the present routes. */
  acknowledgedRevision(): Revision {
    const { revision, changedRevision } = this.feed.present;
    if (this.routers.unknown().length > 0) return 0n;
    let lowest = revision;
    for (const { acknowledgedRevision } of this.routers.list()) {
      if (acknowledgedRevision < changedRevision && acknowledgedRevision < lowest) lowest = acknowledgedRevision;
    }
    return lowest;
  }

  /**
   * Waits until every router of the mesh routes by everything up to `revision`. One that disconnects is not waited
   * for any more; one that connects is. Throws CANCELLED when `signal` is aborted.
   */
  async waitFor(revision: Revision, boundMs: number, signal: AbortSignal): Promise<Acknowledgement> {
    let needed: Revision | undefined;
    const check = (): true | undefined => {
      const { present } = this.feed;
      if (present.revision < revision) return undefined;
      // Fixed when the routes have the revision, so that changes that keep coming cannot put the end off. A later change
      // that came together with it is not asked for: others may know it by another revision.
      needed ??= present.changedRevision < revision ? present.changedRevision : revision;
      return this.missing(needed).length === 0 ? true : undefined;
    };
    const done = await waitUntil([this.feed, this.routers], check, { clock: this.clock, signal, boundMs });
    if (done === true) return { kind: 'acknowledged' };
    return { kind: 'missing', routers: this.missing(needed ?? revision) };
  }

  private missing(revision: Revision): readonly string[] {
    const behind = this.routers.list().filter(({ acknowledgedRevision }) => acknowledgedRevision < revision);
    const unknown = this.routers.unknown().map((id) => `those of registry ${id}, which cannot be reached`);
    return [...behind.map(inWords), ...unknown];
  }
}

function inWords({ hello, heard, registryId }: KnownRouter): string {
  return heard
    ? hello.routerId
    : `${hello.routerId} (last heard of by registry ${registryId}, which cannot be reached)`;
}
