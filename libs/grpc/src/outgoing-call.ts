import { BmsError, Reason } from '@bms/contracts';
import { Metadata, type Bytes, type CallOptions } from '@bms/transport';
import * as grpc from '@grpc/grpc-js';
import { failureOf, type CallContext } from './call-failure';
import { asBuffer, fromGrpcMetadata } from './grpc-metadata';

/** grpc-js's own end of one call: reads are asked for one by one, a write says when it went out. */
type RawCall = ReturnType<grpc.ChannelInterface['createCall']>;

interface Waiter<T> {
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** How a call ended; `failed` with what reads throw. */
type End = { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly error: unknown };

export interface OutgoingCallContext extends CallContext {
  /** Called once, when the call has ended. */
  readonly onEnd: () => void;
}

/**
 * One call that a client makes.
 *
 * It works on grpc-js's call directly, not on its streams: those read 16 messages ahead of the reader.
 */
export class OutgoingCall {
  private end: End | undefined;
  private pendingRead: Waiter<Bytes | undefined> | undefined;
  private wakeWriter: (() => void) | undefined;
  private readonly stopListening: () => void;

  constructor(
    private readonly raw: RawCall,
    metadata: grpc.Metadata,
    private readonly context: OutgoingCallContext,
    private readonly options: CallOptions,
  ) {
    const { signal } = options;
    const onAbort = (): void => this.cancel('the call was cancelled', signal?.reason);
    this.stopListening = () => signal?.removeEventListener('abort', onAbort);
    raw.start(metadata, {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: Buffer) => this.settleRead(message),
      onReceiveStatus: (status) => this.onStatus(status),
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  }

  get ended(): boolean {
    return this.end !== undefined;
  }

  /** Whether it was put on a connection: grpc-js knows who authenticated that only from then on. */
  get sent(): boolean {
    return this.raw.getAuthContext() !== null;
  }

  /** Resolves when the message has left or the call has ended. */
  write(message: Bytes): Promise<void> {
    return this.orEnd((done) => this.raw.sendMessageWithContext({ callback: done }, asBuffer(message)));
  }

  /** Sends the only message there is. */
  writeOnly(message: Bytes): void {
    this.raw.sendMessageWithContext({}, asBuffer(message));
    this.raw.halfClose();
  }

  endWrites(): void {
    if (!this.ended) this.raw.halfClose();
  }

  /** The next answer, or undefined after the last one; throws what the call failed with. */
  read(): Promise<Bytes | undefined> {
    return new Promise((resolve, reject) => {
      const reader: Waiter<Bytes | undefined> = { resolve, reject };
      if (this.end !== undefined) return tell(reader, this.end);
      this.pendingRead = reader;
      this.raw.startRead();
    });
  }

  /** Ends the call with CANCELLED; without effect once it has ended. */
  cancel(message: string, cause?: unknown): void {
    this.fail(new BmsError(Reason.CANCELLED, message, { cause }));
  }

  /** Ends the call, and lets reads throw `error`; without effect once it has ended. */
  fail(error: unknown): void {
    if (this.ended) return;
    this.settle({ kind: 'failed', error }, new Metadata());
    this.raw.cancelWithStatus(grpc.status.CANCELLED, 'cancelled by the caller');
  }

  /** Waits for `start` to call its `done`, but not beyond the end of the call. */
  orEnd(start: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      if (this.ended) return resolve();
      this.wakeWriter = resolve;
      start(resolve);
    });
  }

  private onStatus(status: grpc.StatusObject): void {
    if (this.ended) return;
    this.settle(
      status.code === grpc.status.OK
        ? { kind: 'ok' }
        : { kind: 'failed', error: failureOf(status, this.sent, this.context) },
      fromGrpcMetadata(status.metadata),
    );
  }

  private settle(end: End, trailers: Metadata): void {
    this.end = end;
    this.stopListening();
    this.context.onEnd();
    this.options.onTrailers?.(trailers);
    const reader = this.pendingRead;
    this.pendingRead = undefined;
    if (reader !== undefined) tell(reader, end);
    this.wakeWriter?.();
  }

  private settleRead(message: Bytes): void {
    const reader = this.pendingRead;
    this.pendingRead = undefined;
    reader?.resolve(message);
  }
}

function tell(reader: Waiter<undefined>, end: End): void {
  if (end.kind === 'ok') reader.resolve(undefined);
  else reader.reject(end.error);
}
