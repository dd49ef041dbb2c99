import type { VersionId } from '@bms/contracts';
import { DISCONNECTED, IN, WorkerLoad } from '@bms/balancing';
import type { Channel } from '@bms/transport';
import type { WorkerEntry } from '../catalog/route-table';
import type { Clock } from '../clock';
import { FleetReplica } from './fleet-replica';

export interface WorkerLinkEvents {
  /** A replica of it is picked or not from now on, by another verdict or because the connection came or went. */
  readonly onVerdict: (link: WorkerLink) => void;
  readonly onConnection: (link: WorkerLink, ready: boolean) => void;
  readonly onEjected: (replica: FleetReplica) => void;
}

/** The connection to one incarnation of a worker, kept warm, and what is known of it. */
export class WorkerLink {
  readonly load = new WorkerLoad();
  /** Until when the first attempt to connect may be waited for; undefined once it has succeeded or failed. */
  private firstAttemptUntilMs: number | undefined;
  private readonly replicas = new Map<VersionId, FleetReplica>();
  private readonly stopListening: () => void;
  private retired = false;
  private wasReady = false;

  constructor(
    readonly worker: WorkerEntry,
    readonly channel: Channel,
    readonly clock: Clock,
    private readonly events: WorkerLinkEvents,
    firstAttemptMs: number,
  ) {
    this.firstAttemptUntilMs = clock.monotonicMs() + firstAttemptMs;
    this.stopListening = channel.onStateChange(() => this.onState());
    channel.connect();
  }

  get ready(): boolean {
    return this.channel.state === 'ready';
  }

  /** Until when it is worth waiting for its first connection; undefined when it is not. */
  pendingUntilMs(): number | undefined {
    return this.firstAttemptUntilMs;
  }

  /** The version's replica there; its measurements live as long as the link. */
  replicaOf(version: VersionId): FleetReplica {
    let replica = this.replicas.get(version);
    if (replica === undefined) {
      replica = new FleetReplica(this, version, this.ready ? IN : DISCONNECTED);
      this.replicas.set(version, replica);
    }
    return replica;
  }

  /** The version is not routed any more. */
  forget(version: VersionId): void {
    this.replicas.delete(version);
  }

  /** Takes no new calls; the connection closes once those in flight have ended. */
  retire(): void {
    this.retired = true;
    this.stopListening();
    this.closeWhenUnused();
  }

  begin(): void {
    this.load.begin();
  }

  end(): void {
    this.load.end();
    this.closeWhenUnused();
  }

  verdictChanged(replica: FleetReplica): void {
    if (replica.ejection.kind === 'ejected') this.events.onEjected(replica);
    this.events.onVerdict(this);
  }

  private onState(): void {
    const { state } = this.channel;
    if (state === 'idle') this.channel.connect();
    if (state === 'ready' || state === 'failed') this.firstAttemptUntilMs = undefined;
    if (this.ready !== this.wasReady) {
      this.wasReady = this.ready;
      const event = this.ready ? 'connection-ready' : 'connection-lost';
      for (const replica of this.replicas.values()) replica.connectionChanged(event);
      this.events.onConnection(this, this.ready);
    }
    this.events.onVerdict(this);
  }

  private closeWhenUnused(): void {
    if (this.retired && this.load.inFlight === 0) this.channel.close();
  }
}
