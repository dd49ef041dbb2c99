import { bearer, type ServiceToken } from '@bms/auth';
import { CallMetadata, peerService } from '@bms/contracts';
import { createClient, Metadata, type Channel } from '@bms/transport';
import { pause, type Clock } from '../clock';
import type { RegistryRecord } from '../records/values';

export interface PeerLinkOptions {
  readonly record: RegistryRecord;
  readonly dial: (address: string) => Channel;
  readonly token: ServiceToken;
  /** Who asks. */
  readonly registryId: string;
  readonly meshId: string;
  readonly clock: Clock;
  readonly onChange: () => void;
}

const RETRY_MS = 500;

/** Follows another registry: what it knows at first hand, as last heard. */
export class PeerLink {
  private readonly stop = new AbortController();
  private heard: peerService.PeerState | undefined;
  private counted: readonly peerService.PeerRouterTotals[] = [];
  private connected = false;
  private reachesSinceMs: number | undefined;

  constructor(private readonly options: PeerLinkOptions) {
    void this.run(this.stop.signal);
  }

  get record(): RegistryRecord {
    return this.options.record;
  }

  /** Whether what is known of it is so now. */
  get reachable(): boolean {
    return this.connected;
  }

  /** Undefined: it was never heard. */
  get state(): peerService.PeerState | undefined {
    return this.heard;
  }

  /** Since when it has said without a break that it reaches the store, in milliseconds since 1970; undefined: it does not. */
  get storeReachedSinceMs(): number | undefined {
    return this.connected ? this.reachesSinceMs : undefined;
  }

  get totals(): readonly peerService.PeerRouterTotals[] {
    return this.counted;
  }

  close(): void {
    this.stop.abort();
    this.connected = false;
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.follow(signal).catch(() => undefined); // why it cannot be reached, status and logs of that one tell
      this.setConnected(false);
      await pause(this.options.clock, RETRY_MS, signal);
    }
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const { record, dial, token, registryId, meshId, onChange } = this.options;
    const channel = dial(record.address);
    try {
      const metadata = Metadata.from({ [CallMetadata.authorization]: bearer(token) });
      const peer = createClient(peerService.PeerServiceDefinition, channel);
      for await (const { kind } of peer.watchPeer({ registryId, meshId }, { metadata, signal })) {
        if (kind?.$case === 'totals') {
          this.counted = kind.value.routers;
        } else if (kind?.$case === 'state') {
          this.heard = kind.value;
          if (!kind.value.storeReachable) this.reachesSinceMs = undefined;
          else this.reachesSinceMs ??= this.options.clock.nowMs();
          this.connected = true;
          onChange();
        }
      }
    } finally {
      channel.close();
    }
  }

  private setConnected(connected: boolean): void {
    if (this.connected === connected) return;
    this.connected = connected;
    this.reachesSinceMs = undefined;
    this.options.onChange();
  }
}
