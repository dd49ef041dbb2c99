import type { peerService } from '@bms/contracts';
import type { RegistryRecord } from '../records/values';
import { ChangeSource, type Changing } from '../watch/change-source';
import type { StoreMirror } from '../watch/store-mirror';
import { PeerLink, type PeerLinkOptions } from './peer-link';

/** Another registry whose lease lives. */
export interface Peer {
  readonly record: RegistryRecord;
  /** Whether `state` is so now; when not, it is what was heard last. */
  readonly reachable: boolean;
  /** Undefined: it was never heard. */
  readonly state: peerService.PeerState | undefined;
  readonly totals: readonly peerService.PeerRouterTotals[];
  /** Since when it has said without a break that it reaches the store, in milliseconds since 1970; undefined: it does not. */
  readonly storeReachedSinceMs: number | undefined;
}

/** The other registries of the mesh. */
export interface Peers extends Changing {
  list(): readonly Peer[];
}

/** Follows every other registry that the store names, as long as its lease lives. */
export class PeerDirectory implements Peers {
  private readonly changes = new ChangeSource();
  private readonly links = new Map<string, PeerLink>();
  private readonly unfollow: () => void;

  constructor(
    mirror: StoreMirror,
    private readonly link: Omit<PeerLinkOptions, 'record' | 'onChange'>,
  ) {
    let seen: unknown;
    const follow = (): void => {
      if (mirror.snapshot.registries === seen) return;
      seen = mirror.snapshot.registries;
      this.update([...mirror.snapshot.registries.values()].map(({ record }) => record));
    };
    this.unfollow = mirror.onChange(follow);
    follow();
  }

  list(): readonly Peer[] {
    return [...this.links.values()];
  }

  onChange(listener: () => void): () => void {
    return this.changes.onChange(listener);
  }

  close(): void {
    this.unfollow();
    for (const link of this.links.values()) link.close();
    this.links.clear();
  }

  private update(records: readonly RegistryRecord[]): void {
    const others = new Map(records.filter(({ id }) => id !== this.link.registryId).map((one) => [one.id, one]));
    for (const [id, link] of this.links) {
      const { incarnation, address } = others.get(id) ?? {};
      if (incarnation === link.record.incarnation && address === link.record.address) continue;
      link.close();
      this.links.delete(id);
    }
    for (const [id, record] of others) {
      if (this.links.has(id)) continue;
      this.links.set(id, new PeerLink({ ...this.link, record, onChange: () => this.changes.announce() }));
    }
    this.changes.announce();
  }
}
