import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AnswerFrames, type FrameVisitor } from './answer-frames';
import { GRPC_PREFIX_BYTES, matches } from './answer-bytes';
import { HeaderBlock } from './answer-status';
import { preface, windowUpdate, WINDOW_AT_FIRST, WINDOW_MAX } from './preface';
import { frameHead, type RequestTemplate } from './request-template';

const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE] = [0, 1, 3, 4, 6, 7, 8] as const;
const [END_STREAM, ACK, END_HEADERS, PADDED] = [0x1, 0x1, 0x4, 0x8] as const;
const [MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE] = [3, 4] as const;
const STREAM_MAX = 2 ** 31 - 1;
const REPLENISH_BYTES = 2 ** 28;

/** One call under way. */
interface Call {
  readonly sentAtMs: number;
  /** Of the body, prefix included. */
  sentBytes: number;
  windowBytes: number;
  receivedBytes: number;
  asExpected: boolean;
}

export interface LoadConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly template: RequestTemplate;
  /** The answer's message, which every answer is compared with; undefined: any. */
  readonly expected: Buffer | undefined;
  /** Called at the end of each call. @param failure undefined: status 0 and the bytes expected */
  readonly onAnswer: (sentAtMs: number, failure: string | undefined) => void;
}

/**
 * One HTTP/2 connection of a caller that sends the same gRPC call again and again, many at a time, and checks every answer's
 * status and bytes. Obeys the peer's windows. What goes out in one turn goes out in one write.
 */
export class LoadConnection implements FrameVisitor {
  /** Resolves when the peer's SETTINGS are there; rejects where the connection fails before. */
  readonly ready: Promise<void>;
  /** What ended the connection; undefined while it lives or after `close`. */
  failure: string | undefined;
  private readonly socket: Socket;
  private readonly calls = new Map<number, Call>();
  /** Of calls whose body waits for credit, in the order of their start. */
  private readonly waiting = new Set<number>();
  /** Of calls that the peer does not take yet, since it has as many as it allows. */
  private held: number[] = [];
  private streamsMax = Infinity;
  private readonly frames = new AnswerFrames(this);
  private out: Buffer[] = [];
  private flushing = false;
  private nextStream = 1;
  private windowBytes = WINDOW_AT_FIRST;
  private streamWindowBytes = WINDOW_AT_FIRST;
  private unacknowledgedBytes = 0;
  private closed = false;
  private settled: (() => void) | undefined;

  constructor(private readonly options: LoadConnectionOptions) {
    const { host, port, tls } = options;
    const settings = { host, port, noDelay: true };
    this.socket = tls
      ? connectTls({ ...settings, ALPNProtocols: ['h2'], rejectUnauthorized: false }).setNoDelay(true)
      : connect(settings);
    this.ready = new Promise((resolve, reject) => {
      this.settled = resolve;
      const fail = (why: string): void => {
        if (this.closed) return;
        this.failure ??= why;
        reject(new Error(why));
        this.failAll(why);
      };
      this.socket.on('error', (error) => fail(`the connection broke: ${error.message}`));
      this.socket.on('close', () => fail('the connection was closed'));
    });
    this.socket.on('data', (chunk: Buffer) => this.frames.push(chunk));
    this.socket.write(preface());
  }

  get inFlight(): number {
    return this.calls.size + this.held.length;
  }

  /**
   * Begins a call, or as soon as the peer takes one more.
   * @param sentAtMs what its latency counts from, by the clock of `sharedClockMs`
   */
  call(sentAtMs: number): void {
    if (this.failure !== undefined) return this.options.onAnswer(sentAtMs, this.failure);
    if (this.calls.size >= this.streamsMax) this.held.push(sentAtMs);
    else this.open(sentAtMs);
  }

  private open(sentAtMs: number): void {
    const { nextStream: stream, options } = this;
    if (stream > STREAM_MAX) throw new Error('the connection has used up its streams');
    this.nextStream += 2;
    this.calls.set(stream, {
      ...{ sentAtMs, sentBytes: 0, receivedBytes: 0, asExpected: true },
      windowBytes: this.streamWindowBytes,
    });
    this.write(options.template.opening(stream));
    this.sendBody(stream);
  }

  /** Reads no more, as a caller does that has fallen behind. */
  stall(): void {
    this.socket.pause();
  }

  close(): void {
    this.closed = true;
    this.socket.destroy();
  }

  frame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case DATA:
        return this.onData(flags, stream, bytes, start, end);
      case HEADERS:
        return this.onHeaders(flags, stream, bytes, start, end);
      case RST_STREAM:
        return this.end(stream, `reset with error ${bytes.readUInt32BE(start)}`);
      case SETTINGS:
        return (flags & ACK) === 0 ? this.onSettings(bytes, start, end) : undefined;
      case PING:
        if ((flags & ACK) === 0) this.write(Buffer.concat([frameHead(8, PING, ACK), bytes.subarray(start, end)]));
        return;
      case GOAWAY:
        this.failure ??= `the peer said GOAWAY with error ${bytes.readUInt32BE(start + 4)}`;
        return;
      case WINDOW_UPDATE:
        return this.onWindow(stream, bytes.readUInt32BE(start) & WINDOW_MAX);
      default:
        return; // unknown types are to be ignored
    }
  }

  private onData(flags: number, stream: number, bytes: Buffer, start: number, end: number): void {
    if ((flags & PADDED) !== 0) throw new Error('an answer is padded, which is not understood here');
    this.credit(end - start);
    const call = this.calls.get(stream);
    if (call === undefined) return;
    const { expected } = this.options;
    if (expected !== undefined) call.asExpected &&= matches(expected, call.receivedBytes, bytes, start, end);
    call.receivedBytes += end - start;
    if ((flags & END_STREAM) !== 0) this.end(stream, 'the answer ended without a status');
  }

  private onHeaders(flags: number, stream: number, bytes: Buffer, start: number, end: number): void {
    if ((flags & END_HEADERS) === 0 || (flags & PADDED) !== 0) {
      throw new Error('an answer has headers in several frames or padded ones, which are not understood here');
    }
    const call = this.calls.get(stream);
    if (call === undefined) return;
    const block = new HeaderBlock(bytes, start, end);
    if ((flags & END_STREAM) === 0) {
      if (!block.isOk) this.end(stream, 'the HTTP status is not 200');
      return;
    }
    const { expected } = this.options;
    const whole = expected === undefined || call.receivedBytes === expected.length + GRPC_PREFIX_BYTES;
    if (!block.hasStatusZero()) this.end(stream, 'grpc-status is not 0');
    else this.end(stream, call.asExpected && whole ? undefined : 'the answer has other bytes');
  }

  private onSettings(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at + 6 <= end; at += 6) {
      const [id, size] = [bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2)];
      if (id === MAX_CONCURRENT_STREAMS) this.streamsMax = size;
      if (id !== INITIAL_WINDOW_SIZE) continue;
      for (const call of this.calls.values()) call.windowBytes += size - this.streamWindowBytes;
      this.streamWindowBytes = size;
    }
    this.write(frameHead(0, SETTINGS, ACK));
    this.settled?.();
    this.sendWaiting();
  }

  private onWindow(stream: number, bytes: number): void {
    const call = this.calls.get(stream);
    if (stream === 0) this.windowBytes += bytes;
    else if (call !== undefined) call.windowBytes += bytes;
    this.sendWaiting();
  }

  private sendWaiting(): void {
    for (const stream of this.waiting) {
      if (this.windowBytes <= 0) return;
      this.sendBody(stream);
    }
  }

  private sendBody(stream: number): void {
    const call = this.calls.get(stream);
    if (call === undefined) return void this.waiting.delete(stream);
    const { template } = this.options;
    const credit = Math.min(template.bodyBytes - call.sentBytes, call.windowBytes, this.windowBytes);
    if (credit > 0) {
      this.write(template.data(stream, call.sentBytes, call.sentBytes + credit));
      call.sentBytes += credit;
      call.windowBytes -= credit;
      this.windowBytes -= credit;
    }
    if (call.sentBytes < template.bodyBytes) this.waiting.add(stream);
    else this.waiting.delete(stream);
  }

  /** The peer may always send more; each stream's window is as large as can be from its start. */
  private credit(bytes: number): void {
    this.unacknowledgedBytes += bytes;
    if (this.unacknowledgedBytes < REPLENISH_BYTES) return;
    this.write(windowUpdate(this.unacknowledgedBytes));
    this.unacknowledgedBytes = 0;
  }

  private end(stream: number, failure: string | undefined): void {
    const call = this.calls.get(stream);
    if (call === undefined) return;
    this.calls.delete(stream);
    this.waiting.delete(stream);
    this.options.onAnswer(call.sentAtMs, failure);
    const next = this.held.shift();
    if (next !== undefined) this.call(next);
  }

  private failAll(why: string): void {
    for (const stream of [...this.calls.keys()]) this.end(stream, why);
    for (const sentAtMs of this.held.splice(0)) this.options.onAnswer(sentAtMs, why);
  }

  private write(bytes: Buffer): void {
    this.out.push(bytes);
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      const { out } = this;
      this.out = [];
      this.flushing = false;
      if (!this.socket.destroyed) this.socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out));
    });
  }
}
