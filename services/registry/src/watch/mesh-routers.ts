import type { models as proto, routeService, VersionId } from '@bms/contracts';
import type { Revision } from '@bms/metastore';
import type { Peers } from '../peers/peer-directory';
import { totalsByVersion, type TotalsByVersion } from './call-totals';
import type { Changing } from './change-source';
import { routerRun, type RouterConnections } from './router-connections';

/** A router, wherever in the mesh it follows the routes. */
export interface KnownRouter {
  readonly hello: routeService.RouterHello;
  readonly acknowledgedRevision: Revision;
  /** Which registry it follows. */
  readonly registryId: string;
  /** False: that registry cannot be reached, and this is what was heard last. */
  readonly heard: boolean;
}

/** All routers of the mesh: those that are connected to this registry, and those that others have told of. */
export class MeshRouters implements Changing {
  private readonly parsed = new WeakMap<routeService.RouterTotals, TotalsByVersion>();

  constructor(
    private readonly connections: RouterConnections,
    private readonly peers: Peers,
    private readonly registryId: string,
  ) {}

  onChange(listener: () => void): () => void {
    const undo = [this.connections.onChange(listener), this.peers.onChange(listener)];
    return () => undo.forEach((action) => action());
  }

  /**
   * By router id, each run of a router once: two that run with one id, of copied state folders, both count. Of one that is known at several places, because it has just moved, what was only heard before a
   * registry was lost counts least; among the others, which of its streams is older cannot be told, so the lower revision counts.
   */
  list(): readonly KnownRouter[] {
    const routers = new Map<string, KnownRouter>();
    for (const router of [...this.own(), ...this.others()]) {
      const run = routerRun(router.hello);
      const known = routers.get(run);
      if (known === undefined || counts(router, known)) routers.set(run, router);
    }
    return [...routers.values()].sort((one, other) => (routerRun(one.hello) < routerRun(other.hello) ? -1 : 1));
  }

  /** Registries whose lease lives, and whose routers nobody knows. */
  unknown(): readonly string[] {
    return this.peers.list().flatMap(({ record, state }) => (state === undefined ? record.id : []));
  }

  /** Calls of a version, by the worker that answered; `""` for those that reached none. */
  callsOf(version: VersionId): ReadonlyMap<string, proto.CallTotals> {
    const others = this.peers
      .list()
      .flatMap(({ totals }) =>
        totals.flatMap(({ routerId, incarnation, totals: counted }) =>
          counted === undefined ? [] : [{ routerId, incarnation, totals: this.parse(counted) }],
        ),
      );
    return this.connections.callsOf(version, others);
  }

  private own(): readonly KnownRouter[] {
    return this.connections.list().map(({ hello, acknowledgedRevision }) => ({
      hello,
      acknowledgedRevision,
      registryId: this.registryId,
      heard: true,
    }));
  }

  private others(): readonly KnownRouter[] {
    return this.peers
      .list()
      .flatMap(({ record, reachable, state }) =>
        (state?.routers ?? []).flatMap(({ hello, acknowledgedRevision }) =>
          hello === undefined ? [] : [{ hello, acknowledgedRevision, registryId: record.id, heard: reachable }],
        ),
      );
  }

  private parse(totals: routeService.RouterTotals): TotalsByVersion {
    let parsed = this.parsed.get(totals);
    if (parsed === undefined) this.parsed.set(totals, (parsed = totalsByVersion(totals)));
    return parsed;
  }
}

function counts(router: KnownRouter, instead: KnownRouter): boolean {
  if (router.heard !== instead.heard) return router.heard;
  return router.acknowledgedRevision < instead.acknowledgedRevision;
}
