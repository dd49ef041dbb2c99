import { assertNever, etcd } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import {
  createClient,
  Metadata,
  type CallOptions,
  type ChannelState,
  type Client,
  type TlsFiles,
} from '@bms/transport';
import type { Clock } from '../clock';
import type { AuthToken } from './auth-token';
import type { HistoryGuard } from './history-guard';
import { checkMember, type CheckedMember } from './member-check';
import type { MemberState } from './member-state';
import { askStatus } from './member-status';
import { pause } from './pause';

export interface MemberOptions {
  readonly address: string;
  readonly tls: TlsFiles | undefined;
  readonly guard: HistoryGuard;
  readonly token: AuthToken;
  readonly clock: Clock;
  /** A key that the user may read; asked for when a connection is checked. */
  readonly probeKey: Uint8Array;
  /** Called after each change of state, and when `silentSinceMs` or `alarms` changes. */
  readonly onChange: (member: Member) => void;
  /** It has not answered a call in time, or does not know a leader. */
  readonly onFailed: (member: Member) => void;
}

/** The largest answer taken: etcd's pages and batches of events may be large, and one that is not taken never gets smaller. */
const ANSWER_LIMIT_BYTES = 64 * 1024 * 1024;
/** etcd hangs up on clients that send PING more often than every 5 s. */
const KEEPALIVE_MS = 6_000;
const KEEPALIVE_TIMEOUT_MS = 3_000;
/** How often a connection is asked how its member does: streams on it say nothing for hours. */
const PULSE_MS = 2_000;
const PULSE_WITHIN_MS = 1_500;
const CHECK_AGAIN_MS = 100;
const REFUSED_AGAIN_MS = 1_000;

/** One etcd: the connection to it, whether that may be used, and how it does. */
export class Member implements CheckedMember {
  readonly kv: Client<typeof etcd.KVDefinition>;
  readonly watch: Client<typeof etcd.WatchDefinition>;
  readonly lease: Client<typeof etcd.LeaseDefinition>;
  readonly maintenance: Client<typeof etcd.MaintenanceDefinition>;
  readonly auth: Client<typeof etcd.AuthDefinition>;
  /** Since when calls to it have gone unanswered; undefined while they are answered. */
  silentSinceMs: number | undefined;
  /** What it says against itself, such as `alarm:NOSPACE`. */
  alarms: readonly string[] = [];
  private current: MemberState = { kind: 'away', why: 'not connected yet' };
  private readonly channel: GrpcChannel;
  /** Ended with the connection that it belongs to. */
  private connection = new AbortController();

  constructor(private readonly options: MemberOptions) {
    const { address, tls } = options;
    this.channel = new GrpcChannel(address, {
      messageBytes: ANSWER_LIMIT_BYTES,
      keepaliveMs: KEEPALIVE_MS,
      idleKeepaliveMs: Infinity,
      keepaliveTimeoutMs: KEEPALIVE_TIMEOUT_MS,
      tls,
    });
    this.kv = createClient(etcd.KVDefinition, this.channel);
    this.watch = createClient(etcd.WatchDefinition, this.channel);
    this.lease = createClient(etcd.LeaseDefinition, this.channel);
    this.maintenance = createClient(etcd.MaintenanceDefinition, this.channel);
    this.auth = createClient(etcd.AuthDefinition, this.channel);
    this.channel.onStateChange((state) => this.onConnection(state));
  }

  get address(): string {
    return this.options.address;
  }

  get state(): MemberState {
    return this.current;
  }

  /** Aborted when the present connection is lost: what was checked holds for that one only. */
  get lost(): AbortSignal {
    return this.connection.signal;
  }

  connect(): void {
    this.channel.connect();
  }

  /** What goes with each call: the token, and the wish to be refused at once by a member that knows no leader. */
  callOptions(withinMs?: number, signal?: AbortSignal): CallOptions {
    const { current: token } = this.options.token;
    return {
      metadata: Metadata.from({ hasleader: 'true', token: token === '' ? undefined : token }),
      ...(withinMs === undefined ? {} : { deadlineMs: Date.now() + withinMs }),
      ...(signal === undefined ? {} : { signal }),
    };
  }

  /** A call was answered. */
  answered(): void {
    if (this.silentSinceMs === undefined) return;
    this.silentSinceMs = undefined;
    this.options.onChange(this);
  }

  /** A call was not answered in time. */
  unanswered(): void {
    this.silentSinceMs ??= this.options.clock.monotonicMs();
    this.options.onFailed(this);
  }

  /** What it says against itself now. */
  setAlarms(alarms: readonly string[]): void {
    const changed = alarms.join() !== this.alarms.join();
    this.alarms = alarms;
    if (changed) this.options.onChange(this);
  }

  close(): void {
    this.connection.abort();
    this.channel.close();
  }

  private onConnection(state: ChannelState): void {
    this.connection.abort();
    switch (state) {
      case 'ready':
        this.connection = new AbortController();
        void this.attend(this.connection.signal);
        return;
      case 'failed':
      case 'closed':
        this.setState({ kind: 'away', why: state === 'failed' ? 'no connection' : 'closed' });
        return;
      case 'idle':
      case 'connecting':
        return;
      default:
        assertNever(state);
    }
  }

  /** Checks a new connection until it may be used, then asks now and then how the member does. */
  private async attend(signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    while (!signal.aborted && this.current.kind !== 'usable') {
      const verdict = await checkMember(this, this.options);
      if (signal.aborted) return;
      this.setState(verdict);
      if (verdict.kind === 'refused') await pause(clock, REFUSED_AGAIN_MS, signal);
      if (verdict.kind === 'away') await pause(clock, CHECK_AGAIN_MS, signal);
    }
    while (!signal.aborted) {
      await this.feelPulse(signal);
      await pause(clock, PULSE_MS, signal);
    }
  }

  private async feelPulse(signal: AbortSignal): Promise<void> {
    try {
      const { guard, probeKey } = this.options;
      const { knowsLeader, alarms = this.alarms } = await askStatus(this, guard, probeKey, PULSE_WITHIN_MS);
      if (signal.aborted) return;
      this.setAlarms(alarms);
      if (knowsLeader) this.answered();
      else this.options.onFailed(this);
    } catch {
      if (!signal.aborted) this.unanswered();
    }
  }

  private setState(next: MemberState): void {
    this.current = next;
    this.options.onChange(this);
  }
}
