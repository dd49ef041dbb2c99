import { ErrorCode } from '../frames/error-code';
import { FRAME_BYTES_MAX } from '../frames/frame';
import type { HeaderFields } from '../hpack/header-fields';
import type { Outbox } from './outbox';
import type { ReceiveWindow } from './receive-window';

/**
 * RFC 9113 §5.1, of streams that are in use.
 * - `open`: both send
 * - `half-closed-local`: we have said all
 * - `half-closed-remote`: the peer has said all
 * - `closed`: both have, or one has reset it; nothing more comes of it
 */
export type StreamState = 'open' | 'half-closed-local' | 'half-closed-remote' | 'closed';

/** Who ended a stream before its time; `unprocessed`: the peer promises that it has done nothing for it. */
export interface StreamEnd {
  readonly by: 'peer' | 'us' | 'connection';
  readonly code: ErrorCode;
  readonly unprocessed: boolean;
}

/** Whom a stream is for. Bytes are views, to be used or copied before the call returns. */
export interface StreamListener {
  /** A header list of the peer: the first one, a later one (trailers), or one that was too large and is cut. */
  onHeaders(fields: string[], tooLarge: boolean, ended: boolean): void;
  /** Bytes of the body; they count as unread until {@link Stream.consume}. */
  onData(bytes: Buffer, ended: boolean): void;
  /** What was waiting has become less: there is room again. */
  onDrain(): void;
  /** It is over before both sides had said all. Nothing follows. */
  onReset(end: StreamEnd): void;
}

/** What a stream needs of its connection. */
export interface StreamHome {
  readonly nowMs: number;
  readonly outbox: Outbox;
  /** Whether `bytes` may be sent at once, by no stream that waits. */
  sendsAtOnce(bytes: number): boolean;
  sent(bytes: number): void;
  /** It has something to send, and waits for its turn. */
  wait(stream: Stream): void;
  consumed(stream: Stream, bytes: number): void;
  expected(stream: Stream, bytes: number): void;
  /** No message of it is missing anything. */
  settled(stream: Stream): void;
  resetStream(stream: Stream, code: ErrorCode): void;
  closed(stream: Stream): void;
}

/** Who writes is told to wait while more than this is waiting. */
const QUEUE_BYTES = 64 * 1024;
/** What a peer that keeps us waiting must get on by. */
const PROGRESS_BYTES = 16 * 1024;
const NOTHING = Buffer.alloc(0);

const NOBODY: StreamListener = { onHeaders: () => {}, onData: () => {}, onDrain: () => {}, onReset: () => {} };

/** One exchange on a connection. */
export class Stream {
  state: StreamState = 'open';
  listener: StreamListener = NOBODY;
  /** Whether it stands in line for its turn to send. */
  waiting = false;
  /** By the peer's content-length; undefined where it gave none. */
  declaredBytes: number | undefined;
  receivedBytes = 0;
  /** Whether the peer's first header list has come; of a request, that is what began the stream. */
  headersSeen = false;
  /** Whether the peer is told to stop once we have said all: what it still sends is of no use. */
  stopsPeer = false;
  /** When the peer last got on with it, or began to keep us waiting. */
  movedMs: number;
  private movedBytes = 0;
  private midMessage = false;
  private readonly queue: Buffer[] = [];
  private queuedBytes = 0;
  private trailers: HeaderFields | undefined;
  private endsAfterQueue = false;
  private drainWanted = false;

  constructor(
    readonly id: number,
    private readonly home: StreamHome,
    /** May be below 0 (RFC 9113 §6.9.2). */
    public sendWindowBytes: number,
    readonly receiveWindow: ReceiveWindow,
    /** Of the header lists that came for it. */
    readonly headerListBytes: number,
  ) {
    this.movedMs = home.nowMs;
  }

  /** Whether the peer may still send. */
  get remoteOpen(): boolean {
    return this.state === 'open' || this.state === 'half-closed-local';
  }

  /** Whether we may still send. */
  get localOpen(): boolean {
    return (this.state === 'open' || this.state === 'half-closed-remote') && !this.endsAfterQueue;
  }

  get hasQueue(): boolean {
    return this.queuedBytes > 0 || this.endsAfterQueue;
  }

  /** Whether what it has to send takes of the windows. */
  get needsWindow(): boolean {
    return this.queuedBytes > 0;
  }

  sendHeaders(fields: HeaderFields, ended: boolean): void {
    if (!this.localOpen) return;
    this.home.outbox.headers(this.id, fields, ended);
    if (ended) this.localEnded();
  }

  /** Sends the two parts, one after the other; they must not be changed afterwards. False: wait for `onDrain` before sending more. */
  sendData(one: Buffer, other: Buffer, ended: boolean): boolean {
    if (!this.localOpen) return true;
    const bytes = one.length + other.length;
    if (
      this.queuedBytes === 0 &&
      bytes <= FRAME_BYTES_MAX &&
      bytes <= this.sendWindowBytes &&
      this.home.sendsAtOnce(bytes)
    ) {
      this.home.outbox.data(this.id, ended, one, other);
      this.sendWindowBytes -= bytes;
      this.home.sent(bytes);
      if (ended) this.localEnded();
      return true;
    }
    if (one.length > 0) this.queue.push(one);
    if (other.length > 0) this.queue.push(other);
    if (this.queuedBytes === 0) this.movedMs = this.home.nowMs;
    this.queuedBytes += bytes;
    this.endsAfterQueue = ended;
    this.home.wait(this);
    this.drainWanted = this.queuedBytes > QUEUE_BYTES;
    return !this.drainWanted;
  }

  /** Ends our side, with a last header list. */
  sendTrailers(fields: HeaderFields): void {
    if (!this.localOpen) return;
    if (this.queuedBytes === 0) {
      this.home.outbox.headers(this.id, fields, true);
      this.localEnded();
      return;
    }
    this.trailers = fields;
    this.endsAfterQueue = true;
  }

  /** Ends it at once, whatever is waiting; its listener is not told. */
  reset(code: ErrorCode): void {
    if (this.state !== 'closed') this.home.resetStream(this, code);
  }

  /** So many bytes of the body were used up: the peer may send as many again. */
  consume(bytes: number): void {
    this.home.consumed(this, bytes);
  }

  /** So many more bytes of the body are waited for, whatever the window says. */
  expect(bytes: number): void {
    this.home.expected(this, bytes);
  }

  /** Of the message that has begun so much is missing; 0: none has. */
  set missingBytes(bytes: number) {
    if (!this.midMessage) this.movedMs = this.home.nowMs;
    this.midMessage = bytes > 0;
    if (bytes === 0) this.home.settled(this);
  }

  /** The peer has sent so much for it, or let us send so much. A trickle is no progress: it would hold a stream for ever. */
  moved(bytes: number): void {
    this.movedBytes += bytes;
    if (this.movedBytes < PROGRESS_BYTES) return;
    this.movedBytes = 0;
    this.movedMs = this.home.nowMs;
  }

  /** Whether the peer keeps us waiting, though it could send or take something. */
  get waitsForPeer(): boolean {
    return this.needsWindow || (this.remoteOpen && this.midMessage && this.receiveWindow.isOpen);
  }

  /** Called by the connection: sends one frame of what waits, at most `maxBytes`. */
  sendSome(maxBytes: number): void {
    const bytes = Math.max(0, Math.min(maxBytes, FRAME_BYTES_MAX, this.sendWindowBytes, this.queuedBytes));
    if (bytes > 0 || (this.queuedBytes === 0 && this.endsAfterQueue)) {
      const all = bytes === this.queuedBytes;
      const endsHere = all && this.endsAfterQueue && this.trailers === undefined;
      this.sendQueued(bytes, endsHere);
      this.sendWindowBytes -= bytes;
      this.queuedBytes -= bytes;
      this.home.sent(bytes);
      if (all && this.endsAfterQueue) {
        if (this.trailers !== undefined) this.home.outbox.headers(this.id, this.trailers, true);
        this.localEnded();
      }
    }
  }

  /** Called by the connection, after a turn: whether there is room again is told once. */
  tellDrained(): void {
    if (!this.drainWanted || this.queuedBytes > QUEUE_BYTES / 2 || this.state === 'closed') return;
    this.drainWanted = false;
    this.listener.onDrain();
  }

  /** Called by the connection: the peer has said all. */
  remoteEnded(): void {
    if (this.state === 'open') this.state = 'half-closed-remote';
    else this.close();
  }

  /** Called by the connection: nothing more is sent. */
  drop(): void {
    this.state = 'closed';
    this.endsAfterQueue = false;
    this.queue.length = 0;
    this.queuedBytes = 0;
    this.trailers = undefined;
  }

  private localEnded(): void {
    this.endsAfterQueue = false;
    if (this.state !== 'open') return this.close();
    this.state = 'half-closed-local';
    if (this.stopsPeer) this.home.resetStream(this, ErrorCode.NO_ERROR);
  }

  private close(): void {
    this.state = 'closed';
    this.home.closed(this);
  }

  /** The next `bytes` of the queue in one frame; pieces of the queue are cut, not copied. */
  private sendQueued(bytes: number, ended: boolean): void {
    const { queue } = this;
    const first = queue[0] ?? NOTHING;
    if (first.length > bytes) {
      queue[0] = first.subarray(bytes);
      this.home.outbox.data(this.id, ended, first.subarray(0, bytes), NOTHING);
      return;
    }
    const leftBytes = bytes - first.length;
    queue.shift();
    if (leftBytes === 0) {
      this.home.outbox.data(this.id, ended, first, NOTHING);
      return;
    }
    const second = queue[0] ?? NOTHING;
    if (second.length <= leftBytes) queue.shift();
    else queue[0] = second.subarray(leftBytes);
    if (second.length >= leftBytes) {
      this.home.outbox.data(this.id, ended, first, second.length > leftBytes ? second.subarray(0, leftBytes) : second);
      return;
    }
    // Many small pieces: joined, so that they make one frame.
    let gathered = Buffer.concat([first, second]);
    while (gathered.length < bytes) {
      const next = queue[0] ?? NOTHING;
      const missing = bytes - gathered.length;
      gathered = Buffer.concat([gathered, next.subarray(0, missing)]);
      if (next.length <= missing) queue.shift();
      else queue[0] = next.subarray(missing);
    }
    this.home.outbox.data(this.id, ended, gathered, NOTHING);
  }
}
