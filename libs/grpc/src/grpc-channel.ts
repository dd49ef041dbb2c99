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
} from '@bms/transport';
import { deadlineExceeded, notSent, type CallContext } from './call-failure';
import { Connection, type ConnectionOptions } from './connection';
import { toGrpcMetadata } from './grpc-metadata';
import { OutgoingCall } from './outgoing-call';

/** All have defaults. */
export interface GrpcChannelOptions extends ChannelOptions {
  /** How many bytes of answers may be under way unread, per call and in all; 4 MiB by default. */
  readonly windowBytes?: number | undefined;
}

/**
 * - `idle`: nobody has asked for a connection yet
 * - `connecting`: the first attempt; calls wait for it
 * - `ready`: calls go out at once
 * - `failed`: there was an attempt or a connection, and it failed; `attempt` is the next one once its pause is over.
 *   Calls fail at once until it is ready.
 * - `closed`: for good
 */
type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly connection: Connection }
  | { readonly kind: 'ready'; readonly connection: Connection; readonly sinceMs: number }
  | { readonly kind: 'failed'; readonly attempt: Connection | undefined; readonly timer: NodeJS.Timeout | undefined }
  | { readonly kind: 'closed' };

/** Calls over gRPC (HTTP/2) to one address. A first call connects, too; from then on it stays connected. */
export class GrpcChannel implements Channel {
  private current: State = { kind: 'idle' };
  private failures = 0;
  private readonly listeners = new Set<(state: ChannelState) => void>();
  private readonly calls = new Set<OutgoingCall>();
  private readonly connectionOptions: ConnectionOptions;
  private readonly reconnectMinMs: number;
  private readonly reconnectMaxMs: number;
  private readonly random: () => number;

  /** @param address `host:port` */
  constructor(
    readonly address: string,
    options: GrpcChannelOptions = {},
  ) {
    this.connectionOptions = {
      messageLimitBytes: options.messageBytes ?? MESSAGE_LIMIT_BYTES_DEFAULT + 64 * 1024,
      windowBytes: options.windowBytes ?? 4 * 1024 * 1024,
      connectTimeoutMs: options.connectTimeoutMs ?? 2000,
      silence: {
        askAfterMs: options.keepaliveMs ?? 400,
        askIdleAfterMs: options.idleKeepaliveMs ?? 2000,
        answerWithinMs: options.keepaliveTimeoutMs ?? 3000,
      },
      tls: options.tls,
    };
    this.reconnectMinMs = options.reconnectMinMs ?? 50;
    this.reconnectMaxMs = options.reconnectMaxMs ?? 1000;
    this.random = options.random ?? Math.random;
  }

  get state(): ChannelState {
    return this.current.kind;
  }

  onStateChange(listener: (state: ChannelState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  connect(): void {
    if (this.current.kind === 'idle') this.setState({ kind: 'connecting', connection: this.attempt() });
  }

  async unary(path: string, request: Bytes, options: CallOptions = {}): Promise<Bytes> {
    const call = await this.open(path, options);
    call.writeOnly(request);
    const answer = await call.read();
    if (answer === undefined) throw new BmsError(Reason.INTERNAL, `${path} on ${this.address} ended without an answer`);
    if ((await call.read()) !== undefined) {
      const error = new BmsError(Reason.INTERNAL, `${path} on ${this.address} answered twice`);
      call.fail(error);
      throw error;
    }
    return answer;
  }

  async *stream(path: string, requests: AsyncIterable<Bytes>, options: CallOptions = {}): AsyncIterable<Bytes> {
    const call = await this.open(path, options);
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
    if (current.kind === 'connecting' || current.kind === 'ready') current.connection.close();
    if (current.kind === 'failed') {
      current.attempt?.close();
      clearTimeout(current.timer);
    }
    for (const call of this.calls) call.cancel(`the channel to ${this.address} was closed`);
  }

  private async open(path: string, options: CallOptions): Promise<OutgoingCall> {
    const { address } = this;
    const context: CallContext = { path, address, messageLimitBytes: this.connectionOptions.messageLimitBytes };
    const { signal, deadlineMs = Infinity } = options;
    if (signal?.aborted === true) {
      throw new BmsError(Reason.CANCELLED, 'the call was cancelled before it was sent', { cause: signal.reason });
    }
    if (deadlineMs <= Date.now()) throw deadlineExceeded(context);
    this.connect();
    const { current } = this;
    if (current.kind !== 'connecting' && current.kind !== 'ready') {
      await nextTurn(); // or a caller who tries again and again would never let the connection be made
      throw notSent(address, current.kind === 'failed' ? 'it failed' : 'it was closed');
    }
    const metadata = toGrpcMetadata(options.metadata);
    const raw = current.connection.createCall(path, deadlineMs);
    const call: OutgoingCall = new OutgoingCall(
      raw,
      metadata,
      { ...context, onEnd: () => this.calls.delete(call) },
      options,
    );
    this.calls.add(call);
    return call;
  }

  private attempt(): Connection {
    const connection = new Connection(this.address, this.connectionOptions, {
      onReady: () => {
        this.setState({ kind: 'ready', connection, sinceMs: performance.now() });
      },
      onLate: () => {
        for (const call of this.calls) if (!call.sent) call.fail(notSent(this.address, 'ETIMEDOUT'));
      },
      onEnd: () => this.tryAgain(),
    });
    return connection;
  }

  /** The connection, or the attempt to make one, has ended. */
  private tryAgain(): void {
    const { current } = this;
    if (current.kind === 'closed') return;
    // A connection that lasted is made again at once; one that breaks as soon as it is made counts as a failure.
    const lasted = current.kind === 'ready' && performance.now() - current.sinceMs >= this.reconnectMaxMs;
    if (lasted) this.failures = 0;
    const timer = setTimeout(
      () => this.setState({ kind: 'failed', attempt: this.attempt(), timer: undefined }),
      lasted ? 0 : this.nextPauseMs(),
    );
    timer.unref();
    this.setState({ kind: 'failed', attempt: undefined, timer });
  }

  private nextPauseMs(): number {
    const pauseMs = Math.min(this.reconnectMaxMs, this.reconnectMinMs * 1.6 ** this.failures);
    this.failures += 1;
    return pauseMs * (1 - 0.4 * this.random());
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
