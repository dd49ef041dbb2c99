import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { listenFailure, type ListenAddress } from '@bms/transport';
import type { ConnectionOptions } from '../connection/connection';
import { PeerWatch } from '../connection/peer-watch';
import { EDGE_LIMITS, type ConnectionLimits } from '../limits';
import { ServerConnection, type Accept } from './server-connection';

/** Who we are, in PEM; with `ca`, callers must show a certificate that it has signed. */
export interface ServerTls {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer | undefined;
}

export interface H2ListenerOptions {
  /** {@link EDGE_LIMITS} by default. */
  readonly limits?: ConnectionLimits | undefined;
  /** Not encrypted by default. */
  readonly tls?: ServerTls | undefined;
  /** Names of headers of answers whose values repeat. */
  readonly indexedHeaders: ReadonlySet<string>;
  /** A caller with calls here of whom nothing at all comes for this long is taken for gone; 10,000 ms by default. */
  readonly callerTimeoutMs?: number | undefined;
  /** Connections at once; 10,000 by default. */
  readonly connections?: number | undefined;
  /** Connections that have not shown yet that they speak HTTP/2; 256 by default. */
  readonly handshakes?: number | undefined;
  readonly onInternalError?: ((error: unknown) => void) | undefined;
}

/** Callers that wait for an answer hear something at least this often, so that they can tell a slow server from a dead one. */
const ASK_AFTER_MS = 500;
const ASK_IDLE_AFTER_MS = 30_000;
const CALLER_TIMEOUT_MS = 10_000;
/** Connections with streams are looked at this often, others every tenth time. */
const LOOK_EVERY_MS = 100;
const IDLE_LOOKS = 10;
const CONNECTIONS_MAX = 10_000;
const HANDSHAKES_MAX = 256;

/** Accepts connections on one port, and keeps watch over them. What comes on them goes to the {@link Accept} of each. */
export class H2Listener {
  private readonly listener: net.Server;
  private readonly sockets = new Set<net.Socket>();
  /** The addresses of peers that have not shown yet that they speak HTTP/2. */
  private readonly strangers = new Set<string>();
  private readonly connections = new Map<ServerConnection, PeerWatch>();
  private readonly limits: ConnectionLimits;
  private ticker: NodeJS.Timeout | undefined;
  private looks = 0;
  private draining = false;
  private onGone: () => void = () => {};

  constructor(
    private readonly acceptFor: (connection: ServerConnection) => Accept,
    private readonly options: H2ListenerOptions,
  ) {
    this.limits = options.limits ?? EDGE_LIMITS;
    const { tls: pem } = options;
    this.listener =
      pem === undefined
        ? net.createServer({ noDelay: true })
        : tls.createServer({
            ...{ cert: pem.cert, key: pem.key, ca: pem.ca },
            ...{ requestCert: pem.ca !== undefined, rejectUnauthorized: pem.ca !== undefined },
            ...{
              ALPNProtocols: ['h2'],
              minVersion: 'TLSv1.2',
              handshakeTimeout: this.limits.handshakeMs,
              noDelay: true,
            },
          });
    this.listener.on('error', (error) => options.onInternalError?.(error));
    // Under TLS this is before the handshake: a socket that fails then must not be without a listener.
    this.listener.on('connection', (socket: net.Socket) => this.onSocket(socket));
    // Also where the handshake takes too long: Node only tells of it.
    this.listener.on('tlsClientError', (_error, socket: net.Socket) => socket.destroy());
    this.listener.on('secureConnection', (socket: tls.TLSSocket) => this.onSecureSocket(socket));
  }

  /** Resolves with the port; throws StartError that says why the port cannot be had. */
  async listen(address: ListenAddress): Promise<number> {
    try {
      this.listener.listen({ host: address.host, port: address.port });
      await once(this.listener, 'listening');
    } catch (error) {
      throw listenFailure(error, address);
    }
    this.ticker = setInterval(() => setImmediate(() => this.look()), LOOK_EVERY_MS);
    this.ticker.unref();
    return (this.listener.address() as net.AddressInfo).port;
  }

  /** Accepts nothing new; resolves when what is in flight has ended or `signal` is aborted. */
  async drain(signal: AbortSignal): Promise<void> {
    this.draining = true;
    this.stopListening();
    for (const connection of this.connections.keys()) connection.shutDown();
    let stop = (): void => {};
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    this.onGone = () => {
      if (this.connections.size === 0) stop();
    };
    this.onGone();
    if (signal.aborted) return;
    signal.addEventListener('abort', stop, { once: true });
    await stopped;
    signal.removeEventListener('abort', stop);
  }

  /** Closes at once; what is in flight breaks. */
  async close(): Promise<void> {
    this.stopListening();
    clearInterval(this.ticker);
    const closing = [...this.sockets].map((socket) => once(socket, 'close'));
    for (const socket of this.sockets) socket.destroy();
    await Promise.all(closing);
  }

  private onSocket(socket: net.Socket): void {
    socket.on('error', () => {}); // said again, with its reason, by whoever uses the socket
    this.sockets.add(socket);
    socket.once('close', () => {
      this.sockets.delete(socket);
      this.strangers.delete(name);
    });
    const name = nameOf(socket);
    this.strangers.add(name);
    const { connections = CONNECTIONS_MAX, handshakes = HANDSHAKES_MAX } = this.options;
    if (this.draining || this.sockets.size > connections || this.strangers.size > handshakes) {
      socket.destroy();
      return;
    }
    if (this.options.tls === undefined) this.begin(socket);
  }

  private onSecureSocket(socket: tls.TLSSocket): void {
    socket.on('error', () => {});
    if (socket.alpnProtocol === 'h2') this.begin(socket);
    else socket.destroy();
  }

  private begin(socket: net.Socket): void {
    const { indexedHeaders, onInternalError } = this.options;
    const options: ConnectionOptions = {
      limits: this.limits,
      indexedHeaders,
      ...(onInternalError === undefined ? {} : { onInternalError }),
    };
    const connection: ServerConnection = new ServerConnection(socket, options, (stream, headers, ended) =>
      accept(stream, headers, ended),
    );
    const accept = this.acceptFor(connection);
    const silence = {
      askAfterMs: ASK_AFTER_MS,
      askIdleAfterMs: ASK_IDLE_AFTER_MS,
      answerWithinMs: this.options.callerTimeoutMs ?? CALLER_TIMEOUT_MS,
    };
    this.connections.set(connection, new PeerWatch(connection, silence, performance.now()));
    connection.onEnd = () => {
      this.connections.delete(connection);
      this.onGone();
    };
    const name = nameOf(socket);
    connection.onGreeted = () => this.strangers.delete(name);
    if (this.draining) connection.shutDown();
  }

  private look(): void {
    this.looks += 1;
    const nowMs = performance.now();
    const all = this.looks % IDLE_LOOKS === 0;
    for (const [connection, watch] of this.connections) {
      if (!all && connection.streams.size === 0) continue;
      watch.look(nowMs, connection.streams.size === 0 ? LOOK_EVERY_MS * IDLE_LOOKS : LOOK_EVERY_MS);
      if (all) connection.checkTimes(nowMs);
    }
  }

  private stopListening(): void {
    if (this.listener.listening) this.listener.close();
  }
}

/** The same for a socket and for the one that encrypts it. */
function nameOf({ remoteAddress = '', remotePort = 0 }: net.Socket): string {
  return `${remoteAddress}:${remotePort}`;
}
