import { setImmediate as nextTurn } from 'node:timers/promises';
import { BmsError, Reason } from '@bms/contracts';
import {
  MESSAGE_LIMIT_BYTES_DEFAULT,
  sendAll,
  type Bytes,
  type CallOptions,
  type Channel,
  type ChannelOptions,
  type ChannelState,
  type SilenceLimits,
} from '@bms/transport';
import { MESH_LIMITS } from '../limits';
import { deadlineExceeded, notSent } from './call-failure';
import { Link } from './link';
import { OutgoingCall, type OutgoingCallContext } from './outgoing-call';
import { requestFields } from './request-fields';

/**
 * - `idle`: nobody has asked for a connection yet
 * - `connecting`: the first attempt; calls wait for it
 * - `ready`: calls go out at once, or as soon as the peer takes another one
 * - `failed`: there was an attempt or a connection, and it failed; `attempt` is the next one once its pause is over.
 *   Calls fail at once until it is ready.
 * - `closed`: for good
 */
type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly link: Link }
  | { readonly kind: 'ready'; readonly link: Link; readonly sinceMs: number }
  | { readonly kind: 'failed'; readonly attempt: Link | undefined; readonly timer: NodeJS.Timeout | undefined }
  | { readonly kind: 'closed' };

/** Calls over gRPC to one address, on an HTTP/2 connection of our own. A first call connects, too; from then on it stays connected. */
export class H2Channel implements Channel {
  private current: State = { kind: 'idle' };
  private failures = 0;
  private readonly listeners = new Set<(state: ChannelState) => void>();
  private readonly calls = new Set<OutgoingCall>();
  /** Calls that wait for a connection, or for room on it, in order. */
  private readonly waiting = new Set<OutgoingCall>();
  private readonly silence: SilenceLimits;

  /** @param address `host:port` */
  constructor(
    readonly address: string,
    private readonly options: ChannelOptions = {},
  ) {
    this.silence = {
      askAfterMs: options.keepaliveMs ?? 400,
      askIdleAfterMs: options.idleKeepaliveMs ?? 2000,
      answerWithinMs: options.keepaliveTimeoutMs ?? 3000,
    };
  }

  get state(): ChannelState {
    return this.current.kind;
  }

  onStateChange(listener: (state: ChannelState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  connect(): void {
    if (this.current.kind === 'idle') this.setState({ kind: 'connecting', link: this.attempt() });
  }

  unary(path: string, request: Bytes, options: CallOptions = {}): Promise<Bytes> {
    try {
      const call = this.open(path, options);
      if (call === undefined) return this.refuse();
      call.writeOnly(request);
      return call.only();
    } catch (error) {
      return Promise.reject(BmsError.from(error));
    }
  }

  async *stream(path: string, requests: AsyncIterable<Bytes>, options: CallOptions = {}): AsyncIterable<Bytes> {
    const call = this.open(path, options) ?? (await this.refuse());
    void sendAll(requests, call);
    try {
      for (let answer = await call.read(); answer !== undefined; answer = await call.read()) yield answer;
    } finally {
      call.cancel('the reader left');
    }
  }

  close(): void {
    const { current } = this;
    if (current.kind === 'closed') return;
    this.setState({ kind: 'closed' });
    for (const call of this.calls) call.cancel(`the channel to ${this.address} was closed`);
    if (current.kind === 'connecting' || current.kind === 'ready') current.link.close();
    if (current.kind === 'failed') {
      current.attempt?.close();
      clearTimeout(current.timer);
    }
  }

  /** Undefined where there is no connection, and none is waited for. Throws CANCELLED, DEADLINE_EXCEEDED and INVALID_REQUEST. */
  private open(path: string, options: CallOptions): OutgoingCall | undefined {
    const { address } = this;
    const { signal, deadlineMs = Infinity } = options;
    if (signal?.aborted === true) {
      throw new BmsError(Reason.CANCELLED, 'the call was cancelled before it was sent', { cause: signal.reason });
    }
    if (deadlineMs <= Date.now()) throw deadlineExceeded({ path, address });
    this.connect();
    const { current } = this;
    if (current.kind !== 'connecting' && current.kind !== 'ready') return undefined;
    const scheme = this.options.tls === undefined ? 'http' : 'https';
    const fields = requestFields(path, scheme, address, options.metadata);
    const call = new OutgoingCall(fields, this.contextOf(path), options);
    this.calls.add(call);
    if (current.kind === 'ready' && current.link.hasRoom && this.waiting.size === 0) current.link.start(call);
    else this.waiting.add(call);
    return call;
  }

  /** CONNECTION_FAILED, a turn later: or a caller who tries again and again would never let the connection be made. */
  private async refuse(): Promise<never> {
    const { kind } = this.current;
    await nextTurn();
    throw notSent(this.address, new Error(kind === 'closed' ? 'it was closed' : 'it failed'));
  }

  private contextOf(path: string): OutgoingCallContext {
    return {
      path,
      address: this.address,
      messageLimitBytes: this.options.messageBytes ?? MESSAGE_LIMIT_BYTES_DEFAULT + 64 * 1024,
      onEnd: this.onCallEnd,
    };
  }

  private readonly onCallEnd = (call: OutgoingCall): void => {
    this.calls.delete(call);
    this.waiting.delete(call);
  };

  private attempt(): Link {
    const link: Link = new Link(this.address, {
      tls: this.options.tls,
      limits: MESH_LIMITS,
      silence: this.silence,
      connectTimeoutMs: this.options.connectTimeoutMs ?? 2000,
      onReady: () => {
        this.setState({ kind: 'ready', link, sinceMs: performance.now() });
        this.startWaiting(link);
      },
      onRoom: () => this.startWaiting(link),
      onSpent: () => this.setState({ kind: 'connecting', link: this.attempt() }),
      onEnd: (cause) => this.tryAgain(cause),
    });
    return link;
  }

  private startWaiting(link: Link): void {
    for (const call of this.waiting) {
      if (!link.hasRoom) return;
      this.waiting.delete(call);
      link.start(call);
    }
  }

  /** The connection, or the attempt to make one, has ended, or takes no more calls. */
  private tryAgain(cause: unknown): void {
    const { current } = this;
    if (current.kind === 'closed') return;
    for (const call of this.waiting) call.fail(notSent(this.address, cause));
    // A connection that lasted is made again at once; one that breaks as soon as it is made counts as a failure.
    const maxMs = this.options.reconnectMaxMs ?? 1000;
    const lasted = current.kind === 'ready' && performance.now() - current.sinceMs >= maxMs;
    if (lasted) this.failures = 0;
    const timer = setTimeout(
      () => this.setState({ kind: 'failed', attempt: this.attempt(), timer: undefined }),
      lasted ? 0 : this.nextPauseMs(maxMs),
    );
    timer.unref();
    this.setState({ kind: 'failed', attempt: undefined, timer });
  }

  private nextPauseMs(maxMs: number): number {
    const pauseMs = Math.min(maxMs, (this.options.reconnectMinMs ?? 50) * 1.6 ** this.failures);
    this.failures += 1;
    return pauseMs * (1 - 0.4 * (this.options.random ?? Math.random)());
  }

  private setState(next: State): void {
    const changed = next.kind !== this.current.kind;
    this.current = next;
    if (!changed) return;
    for (const listener of [...this.listeners]) {
      if (this.current !== next) return; // a listener has changed it, and all have been told of that already
      listener(next.kind);
    }
  }
}
