import { once } from 'node:events';
import type { ServerHttp2Session } from 'node:http2';
import net from 'node:net';
import {
  listenFailure,
  MESSAGE_LIMIT_BYTES_DEFAULT,
  Metadata,
  unknownMethod,
  type ListenAddress,
  type Routes,
  type Server,
  type ServerOptions,
} from '@bms/transport';
import * as grpc from '@grpc/grpc-js';
import { failure, IncomingCall, type RawCall } from './incoming-call';
import { explainStatuses } from './own-answers';
import { onSession, passUnknownMethods, widenWindows } from './server-internals';
import { watchSilence } from './silence-watch';

/** All have defaults. */
export interface GrpcServerOptions extends ServerOptions {
  /** How many bytes of requests may be under way unread, per call and per connection; 4 MiB by default. */
  readonly windowBytes?: number | undefined;
}

const WINDOW_BYTES_DEFAULT = 4 * 1024 * 1024;
const CONCURRENT_STREAMS_DEFAULT = 1000;
const CALLER_TIMEOUT_MS_DEFAULT = 10_000;
/** Callers that wait for an answer hear something at least this often, so that they can tell a slow server from a dead one. */
const ASK_AFTER_MS = 500;
const ASK_IDLE_AFTER_MS = 30_000;

/** Answers routes over gRPC (HTTP/2, without TLS). */
export class GrpcServer implements Server {
  private readonly listener = net.createServer({ noDelay: true });
  private readonly sockets = new Set<net.Socket>();
  private readonly server: grpc.Server;

  /** @param options limits, and whom to tell of internal errors; see there for the defaults */
  constructor(
    private readonly routes: Routes,
    private readonly options: GrpcServerOptions = {},
  ) {
    this.server = new grpc.Server({
      'grpc.max_receive_message_length': this.messageLimitBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': options.concurrentStreams ?? CONCURRENT_STREAMS_DEFAULT,
      'grpc.enable_channelz': 0,
      interceptors: [(method, call) => this.intercept(method.path, call)],
    });
    for (const path of routes.keys()) this.register(path);
    passUnknownMethods(this.server);
    // We accept connections ourselves: only then is the error code of a failed bind ours to see, and are the
    // sockets ours to close.
    const injector = this.server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    widenWindows(this.server, options.windowBytes ?? WINDOW_BYTES_DEFAULT);
    let accepted: net.Socket | undefined;
    onSession(this.server, (session) => {
      if (accepted !== undefined) this.watch(accepted, session);
    });
    this.listener.on('error', (error) => {
      if (this.listener.listening) options.onInternalError?.(error, 'accept');
    });
    this.listener.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
      accepted = socket;
      injector.injectConnection(socket); // makes the session, in this turn
      accepted = undefined;
    });
  }

  async listen(address: ListenAddress): Promise<number> {
    try {
      this.listener.listen({ host: address.host, port: address.port });
      await once(this.listener, 'listening');
    } catch (error) {
      throw listenFailure(error, address);
    }
    return (this.listener.address() as net.AddressInfo).port;
  }

  async drain(signal: AbortSignal): Promise<void> {
    this.stopListening();
    let stop = (): void => {};
    const aborted = new Promise<void>((resolve) => (stop = resolve));
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (signal.aborted) return;
      await Promise.race([aborted, new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()))]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async close(): Promise<void> {
    this.stopListening();
    this.server.forceShutdown();
    const closing = [...this.sockets].map((socket) => once(socket, 'close'));
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(closing);
  }

  private watch(socket: net.Socket, session: ServerHttp2Session): void {
    let calls = 0;
    session.on('stream', (stream) => {
      calls += 1;
      stream.once('close', () => (calls -= 1));
    });
    watchSilence(
      { socket, session, calls: () => calls },
      {
        askAfterMs: ASK_AFTER_MS,
        askIdleAfterMs: ASK_IDLE_AFTER_MS,
        answerWithinMs: this.options.callerTimeoutMs ?? CALLER_TIMEOUT_MS_DEFAULT,
      },
    );
  }

  private stopListening(): void {
    if (this.listener.listening) this.listener.close();
  }

  private get messageLimitBytes(): number {
    return this.options.messageBytes ?? MESSAGE_LIMIT_BYTES_DEFAULT;
  }

  /** grpc-js wants a handler for each path; the interceptor answers in its place. */
  private register(path: string): void {
    const identity = (bytes: Buffer): Buffer => bytes;
    this.server.register(path, () => {}, identity, identity, 'bidi');
  }

  /** Called by grpc-js for each call. */
  private intercept(path: string, raw: RawCall): grpc.ServerInterceptingCall {
    explainStatuses(raw, path, this.messageLimitBytes, this.options.messageLimitSetting ?? 'messageLimit');
    this.answer(path, raw);
    // What grpc-js goes on with never starts, so that its own handler streams stay out of the way.
    return new grpc.ServerInterceptingCall(raw, { start: () => {} });
  }

  private answer(path: string, raw: RawCall): void {
    const route = this.routes.get(path);
    let call: IncomingCall | undefined;
    raw.start({
      onReceiveMetadata: (metadata) => {
        if (route === undefined) {
          raw.sendStatus(failure(unknownMethod(path, this.routes), new Metadata()));
          return;
        }
        call = new IncomingCall(path, route, raw, metadata, this.options.onInternalError ?? (() => {}));
        void call.answer();
      },
      onReceiveMessage: (message: Buffer) => call?.onMessage(message),
      onReceiveHalfClose: () => call?.onHalfClose(),
      onCancel: () => call?.onCancel(),
    });
  }
}
