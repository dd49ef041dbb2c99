import type { Socket } from 'node:net';
import { goawayFrame, pingFrame, resetFrame, settingsFrame, windowUpdateFrame } from '../frames/control-frames';
import { ErrorCode } from '../frames/error-code';
import { PREFACE, Setting, STREAM_ID_MAX, WINDOW_DEFAULT_BYTES } from '../frames/frame';
import type { ConnectionError } from '../frames/h2-error';
import { HpackEncoder } from '../hpack/hpack-encoder';
import type { ConnectionLimits } from '../limits';
import { AbuseGuard } from './abuse-guard';
import { DataTurns } from './data-turns';
import { MessageCredit } from './message-credit';
import { Outbox } from './outbox';
import { PeerSettings } from './peer-settings';
import { ReceiveWindow } from './receive-window';
import { Stream, type StreamHome } from './stream';

/**
 * - `greeting`: the peer's SETTINGS have not come yet; a client may send already
 * - `open`: streams come and go
 * - `leaving`: one of both has said GOAWAY: the streams there are may end, no new ones
 * - `ended`: nothing is read or sent any more; the socket closes
 */
export type ConnectionState = 'greeting' | 'open' | 'leaving' | 'ended';

export interface ConnectionOptions {
  readonly limits: ConnectionLimits;
  /** Names of headers whose values repeat from stream to stream: they go into the table that the peer keeps of us. */
  readonly indexedHeaders: ReadonlySet<string>;
  /** Milliseconds on a clock that never goes back; performance.now by default. */
  readonly now?: () => number;
  /** Told of errors of ours, never of the peer's. */
  readonly onInternalError?: (error: unknown) => void;
}

/** How many ids of streams that we have reset are remembered: what was under way for them is no error. */
const RESET_REMEMBERED = 1_000;
/** After GOAWAY, how long the peer has to read it before the socket is destroyed. */
const LINGER_MS = 1_000;

/** One HTTP/2 connection: its life, its streams, and what it sends. What comes is up to those that extend it. */
export abstract class Connection implements StreamHome {
  readonly outbox: Outbox;
  readonly streams = new Map<number, Stream>();
  /** Called once, when nothing more can happen; with what the peer did wrong or the socket failed with, if anything. */
  onEnd: (error: Error | undefined) => void = () => {};
  protected readonly peer = new PeerSettings();
  protected readonly guard: AbuseGuard;
  protected readonly limits: ConnectionLimits;
  protected readonly now: () => number;
  protected current: ConnectionState = 'greeting';
  /** The highest id of a stream that the peer began. */
  protected lastPeerStreamId = 0;
  protected readonly turns = new DataTurns();
  protected readonly encoder: HpackEncoder;
  protected readonly receiveWindow: ReceiveWindow;
  private readonly credit: MessageCredit;
  private readonly resetIds = new Set<number>();
  private controlWaiting = 0;
  protected readonly pings: (() => void)[] = [];
  private endedWith: Error | undefined;

  protected constructor(
    readonly socket: Socket,
    protected readonly options: ConnectionOptions,
    protected readonly role: 'server' | 'client',
  ) {
    const { limits, indexedHeaders, now = () => performance.now() } = options;
    this.limits = limits;
    this.now = now;
    this.guard = new AbuseGuard(limits, now);
    this.encoder = new HpackEncoder(indexedHeaders);
    this.outbox = new Outbox(socket, this.encoder, limits.sendBufferBytes, () => this.turns.run(this.outbox));
    this.credit = new MessageCredit(limits.messageCreditBytes);
    this.receiveWindow = new ReceiveWindow(limits.connectionWindowBytes);
    socket.on('error', (error) => (this.endedWith ??= error));
    socket.on('drain', () => this.onDrain());
    socket.on('end', () => this.onSocketEnd());
    socket.on('close', () => this.finish());
    this.greet();
  }

  get nowMs(): number {
    return this.now();
  }

  get state(): ConnectionState {
    return this.current;
  }

  /** Whether the peer has shown that it speaks HTTP/2. */
  get greeted(): boolean {
    return this.current !== 'greeting';
  }

  /** Asks whether the peer lives; the answer, if one comes, is told to `onAnswer`. */
  ping(onAnswer: () => void = () => {}): void {
    if (this.current === 'ended') return;
    this.pings.push(onAnswer);
    this.control(pingFrame(Buffer.alloc(8), false));
  }

  /** Breaks it off: GOAWAY with the error's code, and the streams that are open end. */
  fail(error: ConnectionError): void {
    if (this.current === 'ended') return;
    this.endedWith ??= error;
    this.current = 'ended';
    this.outbox.frame(goawayFrame(this.lastPeerStreamId, error.code, error.message));
    this.outbox.flush();
    this.endSocket();
    this.endStreams(error.code);
  }

  /** Closes it at once; what is open breaks. */
  destroy(error?: Error): void {
    if (error !== undefined) this.endedWith ??= error;
    this.socket.destroy();
  }

  // What a stream needs of its connection.

  sendsAtOnce(bytes: number): boolean {
    return this.turns.length === 0 && bytes <= this.turns.windowBytes && !this.outbox.full;
  }

  sent(bytes: number): void {
    this.turns.windowBytes -= bytes;
    this.guard.answered();
  }

  wait(stream: Stream): void {
    if (stream.sendWindowBytes <= 0 && stream.needsWindow) return; // a WINDOW_UPDATE brings it here
    this.turns.add(stream);
    this.outbox.schedule();
  }

  consumed(stream: Stream, bytes: number): void {
    if (!stream.remoteOpen) return;
    const credit = stream.receiveWindow.giveBack(bytes);
    if (credit > 0) this.control(windowUpdateFrame(stream.id, credit));
  }

  expected(stream: Stream, bytes: number): void {
    if (!stream.remoteOpen) return;
    // One more than that: with a window of exactly 0 nghttp2 does not find out that it has come to the end.
    const missingBytes = stream.receiveWindow.missing(bytes + 1);
    if (missingBytes > 0 && this.credit.ask(stream, missingBytes)) this.widen(stream, missingBytes);
  }

  settled(stream: Stream): void {
    this.credit.settle(stream, (next, bytes) => this.widen(next, bytes));
  }

  resetStream(stream: Stream, code: ErrorCode): void {
    this.remember(stream.id);
    this.outbox.frame(resetFrame(stream.id, code));
    stream.drop();
    this.closed(stream);
  }

  closed(stream: Stream): void {
    if (!this.streams.delete(stream.id)) return;
    this.settled(stream);
    this.onStreamGone(stream);
    if (this.current === 'leaving' && this.streams.size === 0) this.endSocket();
  }

  /** A stream is no longer among {@link streams}. */
  protected abstract onStreamGone(stream: Stream): void;

  protected newStream(id: number, headerListBytes: number): Stream {
    const window = new ReceiveWindow(this.limits.streamWindowBytes);
    const stream = new Stream(id, this, this.peer.initialWindowBytes, window, headerListBytes);
    this.streams.set(id, stream);
    return stream;
  }

  /** Ends a stream for what its peer did, and tells its listener. */
  protected refuseStream(stream: Stream, code: ErrorCode): void {
    this.guard.reset();
    const { listener } = stream;
    this.resetStream(stream, code);
    listener.onReset({ by: 'us', code, unprocessed: false });
  }

  /** Ends a stream that never came to be one. */
  protected refuseId(streamId: number, code: ErrorCode): void {
    this.guard.reset();
    this.remember(streamId);
    this.outbox.frame(resetFrame(streamId, code));
  }

  protected wasReset(streamId: number): boolean {
    return this.resetIds.has(streamId);
  }

  /** Sends an answer to something of the peer's. One that lets too many of them wait is not read from any more. */
  protected control(frame: Buffer): void {
    this.outbox.frame(frame);
    if (!this.outbox.blocked) return;
    this.controlWaiting += 1;
    if (this.controlWaiting >= this.limits.controlFrames) this.pauseReading();
  }

  /** No new streams; ends once there is none left. */
  protected leave(lastStreamId: number): void {
    if (this.current === 'ended') return;
    this.current = 'leaving';
    this.outbox.frame(goawayFrame(lastStreamId, ErrorCode.NO_ERROR));
    if (this.streams.size === 0 && lastStreamId !== STREAM_ID_MAX) this.endSocket();
  }

  /** What is read from now on is kept, until {@link resumeReading}. */
  protected pauseReading(): void {
    this.socket.pause();
  }

  protected resumeReading(): void {
    this.socket.resume();
  }

  private greet(): void {
    const { limits } = this;
    if (this.role === 'client') this.outbox.frame(PREFACE);
    this.outbox.frame(
      settingsFrame([
        [Setting.HEADER_TABLE_SIZE, limits.headerTableBytes],
        ...(this.role === 'client' ? ([[Setting.ENABLE_PUSH, 0]] as const) : []),
        [Setting.MAX_CONCURRENT_STREAMS, this.role === 'client' ? 0 : limits.concurrentStreams],
        [Setting.INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
        [Setting.MAX_HEADER_LIST_SIZE, limits.headerListBytes],
      ]),
    );
    this.outbox.frame(windowUpdateFrame(0, limits.connectionWindowBytes - WINDOW_DEFAULT_BYTES));
  }

  private onDrain(): void {
    const paused = this.controlWaiting >= this.limits.controlFrames;
    this.controlWaiting = 0;
    this.outbox.schedule();
    if (paused) this.resumeReading();
  }

  protected creditConnection(bytes: number): void {
    const credit = this.receiveWindow.giveBack(bytes);
    if (credit > 0) this.control(windowUpdateFrame(0, credit));
  }

  private widen(stream: Stream, bytes: number): void {
    this.control(windowUpdateFrame(stream.id, stream.receiveWindow.open(bytes)));
  }

  private remember(streamId: number): void {
    this.resetIds.add(streamId);
    if (this.resetIds.size <= RESET_REMEMBERED) return;
    for (const oldest of this.resetIds) {
      this.resetIds.delete(oldest);
      return;
    }
  }

  private endStreams(code: ErrorCode): void {
    for (const stream of [...this.streams.values()]) {
      stream.drop();
      this.streams.delete(stream.id);
      this.onStreamGone(stream);
      stream.listener.onReset({ by: 'connection', code, unprocessed: false });
    }
  }

  /** What was written still goes out; a peer that does not read it is not waited for. */
  private endSocket(): void {
    this.current = 'ended';
    this.outbox.flush();
    this.socket.end();
    this.socket.resume(); // or its end would never be seen
    setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
  }

  private onSocketEnd(): void {
    // Whoever ends its side in the middle of its streams wants no more of them.
    this.socket.destroy();
  }

  private finish(): void {
    this.current = 'ended';
    this.endStreams(ErrorCode.CANCEL);
    this.pings.length = 0;
    this.onEnd(this.endedWith);
  }
}
