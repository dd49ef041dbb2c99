import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** Which way bytes go. */
export type Direction = 'to-server' | 'to-client';

/** One connection through the proxy; both its halves. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** What the proxy does with a chunk: passes it on, breaks both halves, or loses it (and all that follows on that half). */
export type Verdict = 'pass' | 'cut' | 'drop';

/**
 * A TCP proxy on loopback that fails in the ways in which networks fail. What it does, it does to the connections there
 * are and to those that come.
 */
export class FaultProxy {
  private readonly pairs = new Set<Pair>();
  private readonly stalled = new Set<Direction>();
  private readonly lost = new WeakSet<Socket>();
  private refusing = false;
  private delayMs = 0;
  private inspect: (direction: Direction, chunk: Buffer) => Verdict = () => 'pass';
  private readonly listener = createServer((client) => this.accept(client));
  /** How many connections have been taken so far. */
  accepted = 0;

  private constructor(private target: { readonly host: string; readonly port: number }) {}

  /**
   * @param target `host:port`
   * @param at where it listens, `host:port`; any free port of loopback by default
   */
  static async start(target: string, at = '127.0.0.1:0'): Promise<FaultProxy> {
    const proxy = new FaultProxy(parseTarget(target));
    proxy.listener.listen(parseTarget(at));
    await once(proxy.listener, 'listening');
    return proxy;
  }

  /** `host:port` to connect to. */
  get address(): string {
    const { address, port } = this.listener.address() as AddressInfo;
    return `${address}:${port}`;
  }

  /** New connections go to another server. */
  retarget(target: string): void {
    this.target = parseTarget(target);
  }

  /** Resets every connection there is. */
  cut(): void {
    for (const { client, server } of this.pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** Resets every connection there is and each that comes, until {@link admit}. */
  refuse(): void {
    this.refusing = true;
    this.cut();
  }

  /** Connections are taken again. */
  admit(): void {
    this.refusing = false;
  }

  /** Nothing passes any more, in one direction or both; the connections stay open: half-open, or a peer that hangs. */
  stall(...directions: readonly Direction[]): void {
    for (const direction of both(directions)) this.stalled.add(direction);
    for (const pair of this.pairs) this.flow(pair);
  }

  /** What was held up passes. */
  resume(...directions: readonly Direction[]): void {
    for (const direction of both(directions)) this.stalled.delete(direction);
    for (const pair of this.pairs) this.flow(pair);
  }

  /** Each chunk passes this much later. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** Decides about each chunk from now on. */
  judge(inspect: (direction: Direction, chunk: Buffer) => Verdict): void {
    this.inspect = inspect;
  }

  /** Everything passes again, at once, on what connections there are. */
  heal(): void {
    this.delayMs = 0;
    this.inspect = () => 'pass';
    this.admit();
    this.resume();
  }

  async close(): Promise<void> {
    this.cut();
    this.listener.close();
    await once(this.listener, 'close');
  }

  private accept(client: Socket): void {
    this.accepted += 1;
    if (this.refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...this.target, noDelay: true, allowHalfOpen: true });
    const pair = { client, server };
    this.pairs.add(pair);
    client.setNoDelay(true);
    this.pipe(client, server, 'to-server');
    this.pipe(server, client, 'to-client');
    const end = (): void => {
      this.pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const half of [client, server]) half.on('error', end).on('close', end);
    this.flow(pair);
  }

  private pipe(from: Socket, to: Socket, direction: Direction): void {
    from.on('data', (chunk: Buffer) => {
      if (this.lost.has(from)) return;
      const verdict = this.inspect(direction, chunk);
      if (verdict === 'cut') {
        from.resetAndDestroy();
        to.destroy();
        return;
      }
      if (verdict === 'drop') {
        this.lost.add(from);
        return;
      }
      if (this.delayMs === 0) to.write(chunk);
      else setTimeout(() => to.write(chunk), this.delayMs).unref();
    });
    from.on('end', () => to.end());
  }

  private flow({ client, server }: Pair): void {
    if (this.stalled.has('to-server')) client.pause();
    else client.resume();
    if (this.stalled.has('to-client')) server.pause();
    else server.resume();
  }
}

function both(directions: readonly Direction[]): readonly Direction[] {
  return directions.length === 0 ? ['to-server', 'to-client'] : directions;
}

function parseTarget(target: string): { readonly host: string; readonly port: number } {
  const at = target.lastIndexOf(':');
  return { host: target.slice(0, at), port: Number(target.slice(at + 1)) };
}
