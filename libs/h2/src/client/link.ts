import type { Socket } from 'node:net';
import type { SilenceLimits, TlsFiles } from '@bms/transport';
import { PeerWatch } from '../connection/peer-watch';
import type { ConnectionLimits } from '../limits';
import { ClientConnection } from './client-connection';
import { dial } from './dial';
import type { OutgoingCall } from './outgoing-call';

export interface LinkOptions {
  readonly tls: TlsFiles | undefined;
  readonly limits: ConnectionLimits;
  readonly silence: SilenceLimits;
  readonly connectTimeoutMs: number;
  /** Calls go out from now on. */
  readonly onReady: () => void;
  /** There may be room for a call that had to wait. */
  readonly onRoom: () => void;
  /** It takes no more calls, and is well: another one is needed. Nothing is told after it. */
  readonly onSpent: () => void;
  /** It could not be made, it broke, or the peer said goodbye: it takes no more calls. Told once, and nothing after it. */
  readonly onEnd: (cause: unknown) => void;
}

const LOOK_EVERY_MS = 100;
/** What is the same in many calls to one server. */
const INDEXED: ReadonlySet<string> = new Set([
  ...[':path', ':authority', 'content-type', 'te', 'grpc-accept-encoding', 'user-agent'],
  ...['bms-version-id', 'bms-worker-id', 'bms-incarnation', 'bms-tenant'],
]);

/** One connection to a server, from the attempt to its end. */
export class Link {
  private readonly socket: Socket;
  private connection: ClientConnection | undefined;
  private told = false;
  private readonly timer: NodeJS.Timeout;
  private looking: NodeJS.Timeout | undefined;

  constructor(
    address: string,
    private readonly options: LinkOptions,
  ) {
    this.socket = dial(address, options.tls, (socket) => this.begin(socket));
    this.socket.on('error', (error) => this.end(error));
    this.socket.once('close', () => this.end(new Error('the connection was closed')));
    // Holds the process while it lasts: somebody waits for the connection, perhaps with nothing else to hold it.
    this.timer = setTimeout(() => {
      const late: NodeJS.ErrnoException = new Error('the connection was not made in time');
      late.code = 'ETIMEDOUT';
      this.end(late);
      this.socket.destroy();
    }, options.connectTimeoutMs);
  }

  get hasRoom(): boolean {
    return !this.told && this.connection?.hasRoom === true;
  }

  start(call: OutgoingCall): void {
    if (this.connection !== undefined) call.start(this.connection);
  }

  /** Breaks an attempt off; a connection closes when the calls on it have ended. Nothing is told any more. */
  close(): void {
    this.told = true;
    clearTimeout(this.timer);
    if (this.connection === undefined) this.socket.destroy();
    else this.connection.close();
  }

  private begin(socket: Socket): void {
    if (this.told) {
      socket.destroy();
      return;
    }
    const { limits, silence } = this.options;
    const connection = new ClientConnection(
      socket,
      { limits, indexedHeaders: INDEXED },
      {
        onReady: () => {
          clearTimeout(this.timer);
          this.options.onReady();
        },
        onRoom: () => {
          if (!this.told) this.options.onRoom();
        },
        onSpent: () => {
          this.told = true;
          this.options.onSpent();
        },
        onLeaving: () => this.end(new Error('the server said goodbye')),
      },
    );
    this.connection = connection;
    connection.onEnd = (error) => {
      clearInterval(this.looking);
      this.end(error ?? new Error('the connection was closed'));
    };
    const watch = new PeerWatch(connection, silence, performance.now());
    // Not in the timer's own turn: what has come by now is read first.
    this.looking = setInterval(() => setImmediate(() => watch.look(performance.now(), LOOK_EVERY_MS)), LOOK_EVERY_MS);
    this.looking.unref();
  }

  private end(cause: unknown): void {
    clearTimeout(this.timer);
    if (this.told) return;
    this.told = true;
    this.options.onEnd(cause);
  }
}
