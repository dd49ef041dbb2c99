import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { Flag, FrameType, PREFACE } from '../frames/frame';
import { describeFrame, FrameLog } from './frame-log';
import { pingFrame, SETTINGS_ACK, settingsFrame, windowUpdateFrame, type RawFrame } from './raw-frame';
import { PATIENCE_MS, within } from './within';

/** What a peer does by itself. */
export interface RawPeerManners {
  /** SETTINGS and PING are acknowledged; true by default. */
  readonly acknowledges?: boolean;
  /** What DATA takes of the windows is given back: never by default, `each` frame's at once, or in `lots`, as most clients do. */
  readonly credits?: 'each' | 'lots';
  /** A PING goes out for each DATA frame that comes, as from peers that measure the link's bandwidth; false by default. */
  readonly measures?: boolean;
}

/** Well below the smallest window that there is by default. */
const CREDIT_LOT_BYTES = 16_384;

/** How a connection ended. */
export interface RawEnd {
  /** The last GOAWAY that came; undefined: none came. */
  readonly goaway: { readonly lastStreamId: number; readonly code: number; readonly debug: string } | undefined;
}

/** What {@link RawPeer.next} looks for. */
export type FrameMatch = (frame: RawFrame) => boolean;

/**
 * One end of an HTTP/2 connection that does what a test says, right or wrong: it sends any bytes and keeps all frames that come
 * until they are asked for. Of itself it only has manners, and those only once the test has said something.
 */
export class RawPeer {
  /** Came and was not asked for yet, in order. */
  readonly waiting: RawFrame[] = [];
  /** All bytes that came. */
  receivedBytes = 0;
  private readonly log = new FrameLog();
  private readonly wakers = new Set<() => void>();
  private readonly end: Promise<RawEnd>;
  private lastGoaway: RawEnd['goaway'];
  private hasEnded = false;
  private readonly owedBytes = new Map<number, number>();
  private prefaceLeft: number;
  private hasSpoken = false;

  /**
   * @param socket connected
   * @param role what this peer is: a server reads the client's preface first
   */
  constructor(
    readonly socket: net.Socket,
    role: 'client' | 'server',
    private readonly manners: RawPeerManners = {},
  ) {
    this.prefaceLeft = role === 'server' ? PREFACE.length : 0;
    socket.setNoDelay(true);
    socket.on('error', () => {}); // what is attacked may close in the middle of a write
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    this.end = new Promise((resolve) => {
      socket.once('close', () => {
        this.hasEnded = true;
        this.wake();
        resolve({ goaway: this.lastGoaway });
      });
    });
  }

  /** Connects and sends nothing. */
  static async dial(port: number, manners: RawPeerManners = {}, host = '127.0.0.1'): Promise<RawPeer> {
    const socket = net.connect({ port, host });
    await within(once(socket, 'connect'), () => `a connection to port ${port}`);
    return new RawPeer(socket, 'client', manners);
  }

  /** Connects by TLS, agrees on h2 and sends nothing. */
  static async dialTls(
    port: number,
    manners: RawPeerManners = {},
    options: tls.ConnectionOptions = {},
  ): Promise<RawPeer> {
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
      ...options,
    });
    await within(once(socket, 'secureConnect'), () => `a TLS connection to port ${port}`);
    return new RawPeer(socket, 'client', manners);
  }

  /** Connects, greets as a client does and waits for the server's SETTINGS. */
  static async open(
    port: number,
    settings: readonly (readonly [setting: number, value: number])[] = [],
    manners: RawPeerManners = {},
  ): Promise<RawPeer> {
    const peer = await RawPeer.dial(port, manners);
    peer.send(PREFACE, settingsFrame(...settings));
    await peer.next('the server’s SETTINGS', ({ type, flags }) => type === FrameType.SETTINGS && flags === 0);
    return peer;
  }

  /** Sends; what the socket cannot take yet is kept, see {@link flushed}. */
  send(...bytes: readonly Uint8Array[]): void {
    this.hasSpoken = true;
    if (!this.socket.writable) return;
    this.socket.write(bytes.length === 1 ? (bytes[0] as Uint8Array) : Buffer.concat(bytes));
  }

  /** Resolves when the kernel has what was sent, or the connection has ended. */
  async flushed(): Promise<void> {
    if (this.hasEnded || this.socket.writableLength === 0) return;
    await Promise.race([new Promise((resolve) => this.socket.once('drain', resolve)), this.end]);
  }

  /**
   * Sends `count` times what `bytesOf` makes, in turns, reading between them. Ends early when the connection does.
   * @returns how many have been sent
   */
  async flood(count: number, bytesOf: (i: number) => Uint8Array, perTurn = 200): Promise<number> {
    let sent = 0;
    while (sent < count && !this.hasEnded && this.socket.writable) {
      const turn: Uint8Array[] = [];
      for (const until = Math.min(count, sent + perTurn); sent < until; sent += 1) turn.push(bytesOf(sent));
      this.send(...turn);
      if (this.socket.writableNeedDrain) await this.flushed();
      else await new Promise((resolve) => setImmediate(resolve));
    }
    return sent;
  }

  /**
   * The first frame that matches, of those that came and those that come; it is taken out, others stay.
   * @param what completes "waited for", in the error of a frame that does not come within `patienceMs` or before the end
   */
  async next(what: string, match: FrameMatch, patienceMs = PATIENCE_MS): Promise<RawFrame> {
    const search = { match, over: false };
    // Whoever no longer waits takes nothing from those who come later.
    const found = await within(this.find(search), () => `${what}; ${this.situation()}`, patienceMs).finally(
      () => (search.over = true),
    );
    if (found === undefined) throw new Error(`the connection ended before ${what}; ${this.situation()}`);
    return found;
  }

  /** The end of the connection. */
  async closed(patienceMs = PATIENCE_MS): Promise<RawEnd> {
    return within(this.end, () => `the end of the connection; ${this.situation()}`, patienceMs);
  }

  /** Whether the connection has ended. */
  get ended(): boolean {
    return this.hasEnded;
  }

  /** Resolves when the other end has read and answered all that was sent before: by a PING of its own. */
  async settled(patienceMs = PATIENCE_MS): Promise<void> {
    const mark = Buffer.alloc(8);
    mark.writeDoubleBE(performance.now());
    this.send(pingFrame(mark));
    const answers: FrameMatch = ({ type, flags, payload }) =>
      type === FrameType.PING && (flags & Flag.ACK) !== 0 && payload.equals(mark);
    await this.next('the answer to a PING', answers, patienceMs);
  }

  /** Stops and starts reading from the socket. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Ends at once, with a TCP reset. */
  cut(): void {
    if (this.socket instanceof tls.TLSSocket) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.end;
  }

  private async find(search: { readonly match: FrameMatch; over: boolean }): Promise<RawFrame | undefined> {
    while (!search.over) {
      const at = this.waiting.findIndex(search.match);
      if (at >= 0) return this.waiting.splice(at, 1)[0];
      if (this.hasEnded) return undefined;
      await new Promise<void>((resolve) => this.wakers.add(resolve));
    }
    return undefined;
  }

  private receive(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    const skipped = Math.min(this.prefaceLeft, chunk.length);
    this.prefaceLeft -= skipped;
    for (const frame of this.log.push(chunk.subarray(skipped))) {
      this.waiting.push(frame);
      this.behave(frame);
    }
    this.wake();
  }

  private behave({ type, flags, streamId, payload }: RawFrame): void {
    const { acknowledges = true, credits, measures = false } = this.manners;
    if (type === FrameType.GOAWAY) {
      this.lastGoaway = {
        lastStreamId: payload.readUInt32BE(0) & 0x7fffffff,
        code: payload.readUInt32BE(4),
        debug: payload.subarray(8).toString('utf8'),
      };
    }
    if (!this.hasSpoken) return;
    if (acknowledges && type === FrameType.SETTINGS && (flags & Flag.ACK) === 0) this.send(SETTINGS_ACK);
    if (acknowledges && type === FrameType.PING && (flags & Flag.ACK) === 0) this.send(pingFrame(payload, true));
    if (type !== FrameType.DATA) return;
    if (measures) this.send(pingFrame());
    if (credits !== undefined) this.giveBack(credits, streamId, payload.length, (flags & Flag.END_STREAM) !== 0);
  }

  private giveBack(credits: 'each' | 'lots', streamId: number, bytes: number, ended: boolean): void {
    const lotBytes = credits === 'each' ? 1 : CREDIT_LOT_BYTES;
    for (const id of ended ? [0] : [0, streamId]) {
      const owed = (this.owedBytes.get(id) ?? 0) + bytes;
      if (owed >= lotBytes) this.send(windowUpdateFrame(id, owed));
      this.owedBytes.set(id, owed >= lotBytes ? 0 : owed);
    }
  }

  private wake(): void {
    for (const waker of this.wakers) waker();
    this.wakers.clear();
  }

  private situation(): string {
    const frames = this.waiting.slice(-8).map(describeFrame).join('; ');
    return `it is ${this.hasEnded ? 'closed' : 'open'}, and ${this.waiting.length} frames wait: ${frames}`;
  }
}
