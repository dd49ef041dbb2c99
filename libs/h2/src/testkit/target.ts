import { BmsError } from '@bms/contracts';
import type { Bytes, Route, ServerCall } from '@bms/transport';
import { EDGE_LIMITS, type ConnectionLimits } from '../limits';
import { H2Server, type H2ServerOptions } from '../server/h2-server';
import { RawPeer, type RawPeerManners } from './raw-peer';

/** What a target answers; a unary call's request is text unless it says otherwise. */
export const TargetPath = {
  /** The request's bytes. */
  ECHO: '/target.T/Echo',
  /** Waits until it is let go or aborted. */
  HOLD: '/target.T/Hold',
  /** Waits until it is let go, aborted or not. */
  DEAF: '/target.T/Deaf',
  /** As many bytes as the request says. */
  LARGE: '/target.T/Large',
  /** The call's metadata as JSON: a list of pairs, bytes in base64. */
  METADATA: '/target.T/Metadata',
  /** What remains of the deadline in ms, or `none`. */
  TIMEOUT: '/target.T/Timeout',
  /** Stream: each message, as it comes. */
  ECHO_STREAM: '/target.T/EchoStream',
  /** Stream: the sum of the messages' bytes, once all have come. */
  COUNT: '/target.T/Count',
  /** Stream: reads nothing and answers nothing until it is let go. */
  UNREAD: '/target.T/Unread',
  /** Stream: `N M` in the first message asks for N messages of M bytes. */
  PULL: '/target.T/Pull',
} as const;

export interface TargetOptions extends Omit<H2ServerOptions, 'limits' | 'onInternalError'> {
  /** What differs from {@link EDGE_LIMITS}. */
  readonly limits?: Partial<ConnectionLimits>;
}

/** Limits for tests that ask by PING whether the server has seen all. */
export const PINGS_AT_WILL: Partial<ConnectionLimits> = { pingEveryMs: 0, busyPingEveryMs: 0 };

/** Of how many callers the addresses are kept: attacks come from very many. */
const CALLERS_KEPT = 1_000;

/** A server to attack, which counts what gets through to its handlers. */
export class Target {
  /** Handlers that run now, that ran at once at most, and that have begun at all. */
  running = 0;
  runningMost = 0;
  begun = 0;
  /** Handlers that were told to stop. */
  aborted = 0;
  /** The addresses that calls came from, of the first {@link CALLERS_KEPT}. */
  readonly callers = new Set<string>();
  /** Bugs: attacks are never our fault, so this stays empty. */
  readonly internalErrors: unknown[] = [];
  private release: () => void = () => {};
  private released = new Promise<void>((resolve) => (this.release = resolve));
  private readonly server: H2Server;
  private boundPort = 0;

  private constructor({ limits, ...options }: TargetOptions) {
    this.server = new H2Server(new Map(Object.entries(this.routes())), {
      ...options,
      limits: { ...EDGE_LIMITS, ...limits },
      onInternalError: (error) => this.internalErrors.push(error),
    });
  }

  static async start(options: TargetOptions = {}): Promise<Target> {
    const target = new Target(options);
    target.boundPort = await target.server.listen({ host: '127.0.0.1', port: 0 });
    return target;
  }

  get port(): number {
    return this.boundPort;
  }

  /** A raw client, greeted. */
  open(settings: Parameters<typeof RawPeer.open>[1] = [], manners: RawPeerManners = {}): Promise<RawPeer> {
    return RawPeer.open(this.boundPort, settings, manners);
  }

  /** Lets all calls end that wait. */
  letGo(): void {
    this.release();
    this.released = new Promise<void>((resolve) => (this.release = resolve));
  }

  drain(signal: AbortSignal): Promise<void> {
    return this.server.drain(signal);
  }

  async close(): Promise<void> {
    this.letGo();
    await this.server.close();
  }

  private routes(): Readonly<Record<string, Route>> {
    return {
      [TargetPath.ECHO]: this.unary(async (request) => request),
      [TargetPath.HOLD]: this.unary(async (request, { signal }) => {
        await Promise.race([this.released, aborted(signal)]);
        return request;
      }),
      [TargetPath.DEAF]: this.unary(async (request) => {
        await this.released;
        return request;
      }),
      [TargetPath.LARGE]: this.unary(async (request) => Buffer.alloc(count(text(request)), 'x')),
      [TargetPath.METADATA]: this.unary(async (_request, { metadata }) =>
        Buffer.from(
          JSON.stringify(
            [...metadata.entries()].map(([name, value]) => [
              name,
              typeof value === 'string' ? value : Buffer.from(value).toString('base64'),
            ]),
          ),
        ),
      ),
      [TargetPath.TIMEOUT]: this.unary(async (_request, { deadlineMs }) =>
        Buffer.from(deadlineMs === undefined ? 'none' : String(deadlineMs - Date.now())),
      ),
      [TargetPath.ECHO_STREAM]: this.stream((requests) => requests),
      [TargetPath.COUNT]: this.stream(async function* (requests) {
        let bytes = 0;
        for await (const request of requests) bytes += request.byteLength;
        yield Buffer.from(String(bytes));
      }),
      [TargetPath.UNREAD]: this.stream(() => this.nothing()),
      [TargetPath.PULL]: this.stream(async function* (requests) {
        for await (const request of requests) {
          const [messages = 0, bytes = 0] = text(request).split(' ').map(count);
          for (let i = 0; i < messages; i += 1) yield Buffer.alloc(bytes, 'y');
        }
      }),
    };
  }

  private async *nothing(): AsyncIterable<Bytes> {
    await this.released;
    yield* [];
  }

  private unary(handle: Extract<Route, { kind: 'unary' }>['handle']): Route {
    return {
      kind: 'unary',
      handle: async (request, call) => {
        this.enter(call);
        try {
          return await handle(request, call);
        } finally {
          this.running -= 1;
        }
      },
    };
  }

  private stream(handle: (requests: AsyncIterable<Bytes>) => AsyncIterable<Bytes>): Route {
    const enter = (call: ServerCall): void => this.enter(call);
    const leave = (): void => void (this.running -= 1);
    return {
      kind: 'stream',
      handle: async function* (requests, call) {
        enter(call);
        try {
          yield* handle(requests);
        } finally {
          leave();
        }
      },
    };
  }

  private enter({ peer, signal }: ServerCall): void {
    if (this.callers.size < CALLERS_KEPT) this.callers.add(peer);
    this.begun += 1;
    this.running += 1;
    this.runningMost = Math.max(this.runningMost, this.running);
    signal.addEventListener('abort', () => (this.aborted += 1), { once: true });
  }
}

/** What a bent request asks for is bounded, too. */
function count(digits: string): number {
  if (!/^[0-9]{1,8}$/.test(digits)) throw BmsError.invalidRequest('request', 'asks for a number of up to 8 digits');
  return Number(digits);
}

function text(bytes: Bytes): string {
  return Buffer.from(bytes).toString();
}

/** Rejects with the reason once `signal` is aborted. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
