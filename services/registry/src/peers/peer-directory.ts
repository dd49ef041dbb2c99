import { BmsError, Reason, type peerService } from '@bms/contracts';
import type { Clock } from '../clock';
import type { RegistryRecord } from '../records/values';
import type { StreamGate } from '../streams/stream-gate';
import { ChangeSource, type Changing } from '../watch/change-source';
import type { StoreMirror } from '../watch/store-mirror';
import { PeerLink, type PeerLinkOptions } from './peer-link';
import type { StorePulse } from './store-pulse';

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

/** Of a registry that is the only one. */
export const NO_PEERS: Peers = { list: () => [], onChange: () => () => undefined };

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

/**
 * A store that comes back answers one registry before the other: who has just reached it again is no better than this one.
 * Longer than a question may take and the pause before it.
 */
const STEADY_MS = 3_000;

/** Closed while this registry has lost the store and another one has it: workers and routers are better off there. */
export function closedWhileCutOff(pulse: StorePulse, peers: Peers, clock: Clock): StreamGate {
  return {
    refusal: () => {
      if (!pulse.lost) return undefined;
      const steadySinceMs = clock.nowMs() - STEADY_MS;
      const others = peers.list().filter(({ storeReachedSinceMs: sinceMs = Infinity }) => sinceMs <= steadySinceMs);
      if (others.length === 0) return undefined;
      const where = others.map(({ record }) => record.address).join(', ');
      return new BmsError(Reason.DRAINING, `this registry has lost the store, others have not: go to ${where}`);
    },
    onChange: (listener) => {
      const undo = [pulse.onChange(listener), peers.onChange(listener)];
      return () => undo.forEach((action) => action());
    },
  };
}
