import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { ownSockets } from './channel-internals';
import type { SilenceLimits, TlsFiles } from '@bms/transport';
import { watchSilence } from './silence-watch';

/** What a connection needs to know; see GrpcChannelOptions. */
export interface ConnectionOptions {
  readonly messageLimitBytes: number;
  readonly windowBytes: number;
  readonly connectTimeoutMs: number;
  readonly silence: SilenceLimits;
  readonly tls: TlsFiles | undefined;
}

export interface ConnectionEvents {
  /** Calls go out at once from now on. */
  readonly onReady: () => void;
  /** It was not made in time, and has been broken off; `onEnd` follows. */
  readonly onLate: () => void;
  /** It could not be made, it broke, or the peer said goodbye; told once, and nothing after it. */
  readonly onEnd: () => void;
}

const { IDLE, READY, TRANSIENT_FAILURE, SHUTDOWN } = grpc.connectivityState;
/** As far as timers reach: grpc-js would close a connection that had no call for half an hour. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * One connection, from the attempt to its end. grpc-js's channel makes its connection again and again, at a pace
 * and in states of its own; here it is thrown away with its first connection, so that when to try again is
 * decided in one place, the GrpcChannel.
 */
export class Connection {
  private readonly channel: grpc.Channel;
  private ended = false;
  private readonly timer: NodeJS.Timeout;
  /** Of attempts that are under way; a name may have several addresses. */
  private readonly dialling = new Set<Socket>();
  private readonly sessions = new Set<Http2Session>();

  constructor(
    address: string,
    options: ConnectionOptions,
    private readonly events: ConnectionEvents,
  ) {
    this.channel = new grpc.Channel(`dns:${address}`, credentialsOf(options.tls), {
      'grpc.enable_retries': 0,
      // Without a buffer for retries a write is done when it has left, not when it is kept: back-pressure.
      'grpc.per_rpc_retry_buffer_size': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_channelz': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.client_idle_timeout_ms': NEVER_MS,
      'grpc.max_receive_message_length': options.messageLimitBytes,
      'grpc.max_send_message_length': -1,
      'grpc-node.flow_control_window': options.windowBytes,
    });
    ownSockets(this.channel, {
      onDial: (socket) => this.dial(socket),
      onConnected: (connection) => {
        this.dialling.delete(connection.socket);
        if (this.ended) {
          connection.socket.destroy();
          return;
        }
        this.sessions.add(connection.session);
        // As long as the connection lives, which may be beyond the goodbye: calls on it are answered.
        watchSilence(connection, options.silence);
      },
    });
    // Holds the process while it lasts: somebody waits for the connection, perhaps with nothing else to hold it.
    this.timer = setTimeout(() => {
      events.onLate();
      this.end();
    }, options.connectTimeoutMs);
    this.watch(this.channel.getConnectivityState(true));
  }

  /** @param deadlineMs milliseconds since 1970, or Infinity */
  createCall(path: string, deadlineMs: number): ReturnType<grpc.ChannelInterface['createCall']> {
    return this.channel.createCall(path, deadlineMs, null, null, null);
  }

  /** Breaks an attempt off; lets go of a connection, which closes when the calls on it have ended. Nothing is told any more. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.channel.close();
    for (const socket of this.dialling) socket.destroy();
    // grpc-js would do so within ten seconds.
    for (const session of this.sessions) session.close();
  }

  private dial(socket: Socket): void {
    if (this.ended) {
      socket.destroy();
      return;
    }
    this.dialling.add(socket);
    socket.once('close', () => this.dialling.delete(socket));
  }

  private watch(state: grpc.connectivityState): void {
    this.channel.watchConnectivityState(state, Infinity, () => {
      if (this.ended) return;
      const next = this.channel.getConnectivityState(false);
      if (next === TRANSIENT_FAILURE || next === SHUTDOWN || (next === IDLE && state === READY)) {
        this.end();
        return;
      }
      this.watch(next);
      if (next === READY) {
        clearTimeout(this.timer);
        this.events.onReady();
      }
    });
  }

  private end(): void {
    if (this.ended) return;
    this.close();
    this.events.onEnd();
  }
}

function credentialsOf(tls: TlsFiles | undefined): grpc.ChannelCredentials {
  if (tls === undefined) return grpc.credentials.createInsecure();
  return grpc.credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}
