import { BmsError, Reason } from '@bms/contracts';
import { CallCancel, Metadata, statusOf, type Bytes, type ServerCall } from '@bms/transport';
import { asBuffer } from '../as-buffer';
import type { Stream, StreamEnd, StreamListener } from '../connection/stream';
import { appendMetadata } from '../grpc/metadata-fields';
import { ACCEPTED_ENCODINGS, unfold } from '../grpc/gzip';
import type { Message } from '../grpc/message';
import { messagePrefix } from '../grpc/message-prefix';
import type { RequestHead } from '../grpc/request-head';
import { appendStatus } from '../grpc/status-fields';
import type { ServerConnection } from './server-connection';

/** What all calls of a server share. */
export interface CallSettings {
  readonly messageLimitBytes: number;
  /** What whoever sends a larger one is told to do. */
  readonly tooLargeRemedy: string;
  /** Told of errors that callers only see as INTERNAL. */
  readonly onInternalError: (error: unknown, path: string) => void;
}

const RESPONSE_HEAD: readonly string[] = [':status', '200', 'content-type', 'application/grpc'];
/** The longest that a timer can be set for; a later deadline is looked at when it ends. */
const TIMER_MAX_MS = 2 ** 31 - 1;
const DEADLINE_SLACK_MS = 10;
const WHY_GONE = { peer: 'is gone', connection: 'is gone', us: 'broke the rules of HTTP/2' } as const;

/** One call as its handler sees it; how requests come and answers go is up to the two kinds that extend it. */
export abstract class IncomingCall implements ServerCall, StreamListener {
  readonly path: string;
  readonly trailers = new Metadata();
  readonly deadlineMs: number | undefined;
  /** Set once the status was sent or can no longer be sent; what happens afterwards concerns nobody. */
  protected over = false;
  readonly cancel = new CallCancel();
  private aborter: AbortController | undefined;
  private headSent = false;
  private callersFault: unknown;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    protected readonly stream: Stream,
    protected readonly head: RequestHead,
    private readonly connection: ServerConnection,
    protected readonly settings: CallSettings,
  ) {
    this.path = head.path;
    const { timeoutMs } = head;
    if (timeoutMs === undefined) return;
    this.deadlineMs = Date.now() + timeoutMs;
    this.timer = setTimeout(() => this.onDeadline(), Math.min(timeoutMs, TIMER_MAX_MS));
  }

  get metadata(): Metadata {
    return this.head.metadata;
  }

  get peer(): string {
    const { remoteAddress = '', remotePort = 0 } = this.connection.socket;
    return `${remoteAddress}:${remotePort}`;
  }

  /** Made when it is asked for: most calls end before anybody does. */
  get signal(): AbortSignal {
    if (this.aborter === undefined) {
      const aborter = (this.aborter = new AbortController());
      const { cancel } = this;
      if (cancel.aborted) aborter.abort(cancel.reason);
      else cancel.addEventListener('abort', () => aborter.abort(cancel.reason));
    }
    return this.aborter.signal;
  }

  abstract onData(bytes: Buffer, ended: boolean): void;
  abstract onDrain(): void;
  /** Whoever waits for something of this call waits in vain. */
  protected abstract wake(reason: BmsError): void;

  onHeaders(_fields: string[], _tooLarge: boolean, ended: boolean): void {
    if (ended) this.onData(Buffer.alloc(0), true);
  }

  onReset({ by }: StreamEnd): void {
    if (this.over) return;
    this.abort(
      this.isLate ? this.late() : new BmsError(Reason.CANCELLED, `the caller of ${this.path} ${WHY_GONE[by]}`),
    );
  }

  /** A message as it was before it was compressed, if it was. */
  protected async content(message: Message): Promise<Bytes> {
    if (!message.compressed) return message.bytes;
    const { messageLimitBytes: limitBytes, tooLargeRemedy: remedy } = this.settings;
    try {
      return await unfold(message, this.head.encoding, { limitBytes, remedy, signal: this.signal });
    } catch (error) {
      throw this.blamed(error);
    }
  }

  /** Remembers that `error` is about what the caller sent: it is told so, and nobody else. Returns it. */
  protected blamed(error: unknown): unknown {
    this.callersFault = error;
    return error;
  }

  /** Ends the call for what its caller sent. */
  protected refuse(error: unknown): void {
    this.finish(this.blamed(error));
  }

  protected handlerBegun(): void {
    this.connection.handlerBegun();
  }

  protected handlerEnded(): void {
    this.connection.handlerEnded();
  }

  /** Sends one answer. False: the peer reads slowly, wait for {@link onDrain}. */
  protected sendMessage(bytes: Bytes): boolean {
    this.sendHead();
    return this.stream.sendData(messagePrefix(bytes.byteLength), asBuffer(bytes), false);
  }

  /** Ends the call by what its handler threw, or well. */
  protected finish(error?: unknown): void {
    const aborted = this.over;
    this.over = true;
    clearTimeout(this.timer);
    if (error !== undefined) this.report(error, aborted);
    if (aborted) return;
    this.stream.stopsPeer = true;
    if (error === undefined) this.sendSuccess();
    else this.sendFailure(error);
  }

  /** The call is over before its handler has ended, which is told so. */
  private abort(reason: BmsError): void {
    this.over = true;
    clearTimeout(this.timer);
    this.cancel.abort(reason);
    this.wake(reason);
  }

  private onDeadline(): void {
    if (this.over) return;
    const leftMs = (this.deadlineMs ?? 0) - Date.now();
    if (leftMs > 0) {
      this.timer = setTimeout(() => this.onDeadline(), Math.min(leftMs, TIMER_MAX_MS));
      return;
    }
    const reason = this.late();
    this.stream.stopsPeer = true;
    this.sendFailure(reason);
    this.abort(reason);
  }

  /** Whether the deadline has passed, or is about to: the caller's own timer may end the call a moment before ours would. */
  private get isLate(): boolean {
    return this.deadlineMs !== undefined && Date.now() >= this.deadlineMs - DEADLINE_SLACK_MS;
  }

  private late(): BmsError {
    return new BmsError(Reason.DEADLINE_EXCEEDED, `the deadline of ${this.path} passed before it was answered`);
  }

  private sendHead(): void {
    if (this.headSent) return;
    this.headSent = true;
    this.stream.sendHeaders(RESPONSE_HEAD, false);
  }

  private sendSuccess(): void {
    const fields: string[] = ['grpc-status', '0'];
    try {
      appendMetadata(fields, this.trailers);
    } catch (error) {
      this.settings.onInternalError(error, this.path); // the handler's bug, though the error says INVALID_REQUEST
      this.sendFailure(new Error('the trailers cannot be sent', { cause: error }));
      return;
    }
    this.sendHead();
    this.stream.sendTrailers(fields);
  }

  private sendFailure(error: unknown): void {
    const fields = this.headSent ? [] : [...RESPONSE_HEAD, 'grpc-accept-encoding', ACCEPTED_ENCODINGS];
    appendStatus(fields, statusOf(error));
    try {
      appendMetadata(fields, this.trailers);
    } catch {
      // the error matters more than trailers that cannot be sent
    }
    if (this.headSent) this.stream.sendTrailers(fields);
    else this.stream.sendHeaders(fields, true);
  }

  private report(error: unknown, aborted: boolean): void {
    if (error === this.callersFault || (aborted && (error === this.cancel.reason || isAbort(error)))) return;
    const expected = error instanceof BmsError && error.reason !== Reason.INTERNAL;
    if (!expected) this.settings.onInternalError(error, this.path);
  }
}

function isAbort(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError';
}
