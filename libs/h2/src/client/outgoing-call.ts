import { BmsError, Reason } from '@bms/contracts';
import { errorOf, GrpcCode, Metadata, type Bytes, type CallOptions, type RequestSink } from '@bms/transport';
import type { Stream, StreamEnd, StreamListener } from '../connection/stream';
import { ErrorCode, errorCodeName } from '../frames/error-code';
import { unfold } from '../grpc/gzip';
import { formatTimeout } from '../grpc/grpc-timeout';
import { messagePrefix, PREFIX_BYTES } from '../grpc/message-prefix';
import type { Message } from '../grpc/message';
import { MessageReader } from '../grpc/message-reader';
import { readResponseHead, readTrailers, type CallEnd, type ResponseHead } from '../grpc/response-head';
import { statusOfReset } from '../grpc/rst-status';
import { asBuffer } from '../as-buffer';
import { connectionBroke, deadlineExceeded, notSent, type CallContext } from './call-failure';
import type { ClientConnection } from './client-connection';
import { headerListBytes } from './request-fields';

/** How a call ended; `failed` with what reads throw. */
type End = { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly error: unknown };

interface Reading {
  readonly resolve: (message: Message | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

interface Waiting {
  readonly resolve: (answer: Bytes | Promise<Bytes>) => void;
  readonly reject: (reason: unknown) => void;
}

export interface OutgoingCallContext extends CallContext {
  readonly messageLimitBytes: number;
  /** Called once, when the call has ended. */
  readonly onEnd: (call: OutgoingCall) => void;
}

const NOTHING = Buffer.alloc(0);
const NEVER = new AbortController().signal;
const TIMER_MAX_MS = 2 ** 31 - 1;
const TOO_LARGE_REMEDY = 'this client takes no more';

/** One call that a client makes: waits for a connection, goes out on it, and is read message by message. */
export class OutgoingCall implements StreamListener, RequestSink {
  private end: End | undefined;
  private stream: Stream | undefined;
  private head: ResponseHead | undefined;
  private readonly reader: MessageReader;
  private reading: Reading | undefined;
  private waiting: Waiting | undefined;
  /** What waits for the call to go out. */
  private request: Buffer | undefined;
  private endsAtStart = false;
  private wakeWriter: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly onAbort: (() => void) | undefined;

  /** @param fields the request's header list, but for its deadline */
  constructor(
    private readonly fields: string[],
    private readonly context: OutgoingCallContext,
    private readonly options: CallOptions,
  ) {
    this.reader = new MessageReader(context.messageLimitBytes, TOO_LARGE_REMEDY);
    const { signal, deadlineMs } = options;
    if (signal !== undefined) {
      this.onAbort = () => this.cancel('the call was cancelled', signal.reason);
      signal.addEventListener('abort', this.onAbort, { once: true });
    }
    if (deadlineMs !== undefined && deadlineMs !== Infinity) this.watchDeadline(deadlineMs);
  }

  get ended(): boolean {
    return this.end !== undefined;
  }

  /** Goes out on `connection`, which has room. */
  start(connection: ClientConnection): void {
    const { deadlineMs } = this.options;
    if (deadlineMs !== undefined && deadlineMs !== Infinity) {
      this.fields.push('grpc-timeout', formatTimeout(Math.max(1, deadlineMs - Date.now())));
    }
    const [listBytes, limitBytes] = [headerListBytes(this.fields), connection.headerListLimitBytes];
    if (listBytes > limitBytes) {
      // Sent all the same it might end the connection, and with it the calls of others.
      return this.fail(
        BmsError.invalidRequest(
          'metadata',
          `is ${listBytes} bytes as headers; ${this.context.address} takes ${limitBytes}`,
        ),
      );
    }
    this.stream = connection.open(this.fields, this);
    const { request } = this;
    this.request = undefined;
    if (request !== undefined) this.sendOnly(this.stream, request);
    if (this.endsAtStart) this.stream.sendData(NOTHING, NOTHING, true);
    this.wake();
  }

  /** Sends the only message there is, as soon as it can. */
  writeOnly(message: Bytes): void {
    if (this.stream === undefined) this.request = asBuffer(message);
    else this.sendOnly(this.stream, asBuffer(message));
  }

  async write(message: Bytes): Promise<void> {
    if (this.stream === undefined) await this.awake();
    if (this.ended || this.stream === undefined) return;
    const room = this.stream.sendData(messagePrefix(message.byteLength), asBuffer(message), false);
    if (!room) await this.awake();
  }

  endWrites(): void {
    if (this.ended) return;
    if (this.stream === undefined) this.endsAtStart = true;
    else this.stream.sendData(NOTHING, NOTHING, true);
  }

  orEnd(start: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      if (this.ended) return resolve();
      this.wakeWriter = resolve;
      start(resolve);
    });
  }

  /** The next answer, or undefined after the last one; throws what the call failed with. */
  async read(): Promise<Bytes | undefined> {
    const message = await new Promise<Message | undefined>((resolve, reject) => this.settle({ resolve, reject }));
    return message === undefined ? undefined : this.content(message);
  }

  /** The one answer of a unary call, once the call has ended well; throws what it failed with. */
  only(): Promise<Bytes> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      if (this.end !== undefined) this.settleOnly(this.waiting, this.end);
    });
  }

  private settleOnly({ resolve, reject }: Waiting, end: End): void {
    if (end.kind === 'failed') return reject(end.error);
    const message = this.reader.next();
    if (message === undefined) return reject(new BmsError(Reason.INTERNAL, `${this.name} ended without an answer`));
    resolve(message.compressed ? this.content(message) : message.bytes);
  }

  private content(message: Message): Bytes | Promise<Bytes> {
    if (!message.compressed) return message.bytes;
    const { messageLimitBytes: limitBytes } = this.context;
    const { signal } = this.options;
    return unfold(message, this.head?.encoding ?? 'identity', {
      limitBytes,
      remedy: TOO_LARGE_REMEDY,
      signal: signal instanceof AbortSignal ? signal : NEVER,
    });
  }

  /** Ends the call with CANCELLED; without effect once it has ended. */
  cancel(message: string, cause?: unknown): void {
    this.fail(new BmsError(Reason.CANCELLED, message, { cause }));
  }

  /** Ends the call, and lets reads throw `error`; without effect once it has ended. */
  fail(error: unknown): void {
    if (!this.ended) this.finish({ kind: 'failed', error }, new Metadata());
  }

  onHeaders(fields: string[], tooLarge: boolean, ended: boolean): void {
    if (this.ended) return;
    if (tooLarge)
      return this.fail(
        new BmsError(Reason.MESSAGE_TOO_LARGE, `the headers of ${this.name} are larger than this client takes`),
      );
    if (this.head !== undefined) {
      return this.onResponseEnd(readTrailers(fields, this.head.httpStatus));
    }
    const read = readResponseHead(fields, ended);
    if (read.kind === 'open') {
      this.head = read;
      return;
    }
    this.onResponseEnd(read);
  }

  onData(bytes: Buffer, ended: boolean): void {
    const { reader, stream } = this;
    if (stream === undefined || this.ended) return;
    try {
      reader.push(bytes);
    } catch (error) {
      return this.fail(error);
    }
    stream.missingBytes = reader.expectedBytes;
    if (this.waiting !== undefined) {
      if (reader.hasMore) return this.fail(new BmsError(Reason.INTERNAL, `${this.name} answered twice`));
      if (reader.expectedBytes > 0 && !ended) stream.expect(reader.expectedBytes);
    }
    if (this.reading !== undefined) this.settle(this.reading);
    // Trailers are what ends an answer well.
    if (ended) this.onResponseEnd(readTrailers([], this.head?.httpStatus ?? 0));
  }

  onDrain(): void {
    this.wake();
  }

  onReset({ by, code, unprocessed }: StreamEnd): void {
    if (this.ended) return;
    this.finish({ kind: 'failed', error: this.resetError(by, code, unprocessed) }, new Metadata());
  }

  private get name(): string {
    return `${this.context.path} on ${this.context.address}`;
  }

  private resetError(by: StreamEnd['by'], code: ErrorCode, unprocessed: boolean): BmsError {
    const { context } = this;
    const cause = new Error(`the stream ended with ${errorCodeName(code)}`);
    if (unprocessed) return notSent(context.address, cause);
    if (by === 'connection') return connectionBroke(context, cause);
    if (by === 'us')
      return new BmsError(Reason.INTERNAL, `the answer to ${this.name} breaks the rules of HTTP/2`, { cause });
    return errorOf(statusOfReset(code), this.name);
  }

  private sendOnly(stream: Stream, message: Buffer): void {
    stream.sendData(messagePrefix(message.length), message, true);
  }

  private onResponseEnd({ status, trailers }: CallEnd): void {
    try {
      if (status.code === GrpcCode.OK) this.reader.end();
    } catch (error) {
      return this.finish({ kind: 'failed', error }, trailers);
    }
    const ok = status.code === GrpcCode.OK;
    this.finish(ok ? { kind: 'ok' } : { kind: 'failed', error: errorOf(status, this.name) }, trailers);
  }

  private finish(end: End, trailers: Metadata): void {
    this.end = end;
    this.stream?.reset(ErrorCode.CANCEL); // where one of both has not said all: nobody will read it
    clearTimeout(this.timer);
    if (this.onAbort !== undefined) this.options.signal?.removeEventListener('abort', this.onAbort);
    this.context.onEnd(this);
    this.options.onTrailers?.(trailers);
    if (this.reading !== undefined) this.settle(this.reading);
    if (this.waiting !== undefined) this.settleOnly(this.waiting, end);
    this.wake();
  }

  /** Gives the reader what is there, or remembers that it waits. */
  private settle(reading: Reading): void {
    this.reading = undefined;
    const { end, reader, stream } = this;
    if (end?.kind === 'failed') return reading.reject(end.error);
    const message = reader.next();
    if (message !== undefined) {
      stream?.consume(message.bytes.length + PREFIX_BYTES);
      return reading.resolve(message);
    }
    if (end !== undefined) return reading.resolve(undefined);
    this.reading = reading;
    if (reader.expectedBytes > 0) stream?.expect(reader.expectedBytes);
  }

  private watchDeadline(deadlineMs: number): void {
    const leftMs = deadlineMs - Date.now();
    if (leftMs <= 0) return this.fail(deadlineExceeded(this.context));
    this.timer = setTimeout(() => this.watchDeadline(deadlineMs), Math.min(leftMs, TIMER_MAX_MS));
  }

  private awake(): Promise<void> {
    return this.orEnd(() => {});
  }

  private wake(): void {
    const { wakeWriter } = this;
    this.wakeWriter = undefined;
    wakeWriter?.();
  }
}
