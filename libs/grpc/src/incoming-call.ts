import { BmsError, Reason } from '@bms/contracts';
import {
  Metadata,
  STATUS_DETAILS,
  statusOf,
  type Bytes,
  type CancelSignal,
  type Route,
  type ServerCall,
} from '@bms/transport';
import * as grpc from '@grpc/grpc-js';
import { asBuffer, fromGrpcMetadata, toGrpcMetadata } from './grpc-metadata';

/** grpc-js's own end of one call: reads are asked for one by one, a write says when it went out. */
export type RawCall = grpc.ServerInterceptingCallInterface;

/** Told of errors that callers only see as INTERNAL. */
export type OnInternalError = (error: unknown, path: string) => void;

/** The caller's own timer may cancel the call a moment before ours would. */
const DEADLINE_SLACK_MS = 10;

interface Waiter<T> {
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/**
 * Answers one call by its route.
 *
 * It works on grpc-js's call directly, not on the streams that grpc-js would put around it: those read 16 messages
 * ahead of the handler, and 16 messages may be 1 GiB.
 */
export class IncomingCall implements ServerCall {
  readonly metadata: Metadata;
  readonly trailers = new Metadata();
  readonly deadlineMs: number | undefined;
  readonly peer: string;
  readonly signal: AbortSignal;
  readonly cancel: CancelSignal;
  private readonly aborter = new AbortController();
  /** Set once the status was sent or can no longer be sent; what happens afterwards concerns nobody. */
  private over = false;
  private requestsEnded = false;
  private pendingRead: Waiter<IteratorResult<Bytes, undefined>> | undefined;
  private pendingWrite: Waiter<void> | undefined;

  constructor(
    readonly path: string,
    private readonly route: Route,
    private readonly raw: RawCall,
    metadata: grpc.Metadata,
    private readonly onInternalError: OnInternalError,
  ) {
    const deadline = raw.getDeadline();
    this.metadata = fromGrpcMetadata(metadata);
    this.deadlineMs = deadline === Infinity ? undefined : Number(deadline);
    this.peer = raw.getPeer();
    this.cancel = this.signal = this.aborter.signal;
  }

  /** Runs the route's handler and sends what it gives. Never rejects. */
  async answer(): Promise<void> {
    const { route } = this;
    try {
      if (route.kind === 'unary') {
        await this.answerUnary(route.handle);
      } else {
        for await (const message of route.handle(this.requests(), this)) await this.write(message);
      }
      this.finish(undefined);
    } catch (error) {
      this.finish(error);
    }
  }

  /** A request arrived. */
  onMessage(message: Bytes): void {
    this.settleRead({ done: false, value: message });
  }

  /**
   * The caller has sent all its requests, or so it seems: when a connection breaks, Node ends its streams before it
   * says that they broke. A handler that streams is told a turn later, when the truth is known.
   */
  onHalfClose(): void {
    if (this.route.kind === 'unary') this.endRequests();
    else setImmediate(() => this.endRequests());
  }

  /** The caller gave up, its deadline passed or its connection broke; also told, in vain, after a normal end. */
  onCancel(): void {
    if (this.over) return;
    this.over = true;
    const reason = this.cancellation();
    this.aborter.abort(reason);
    this.pendingRead?.reject(reason);
    this.pendingWrite?.reject(reason);
  }

  private async answerUnary(handle: Extract<Route, { kind: 'unary' }>['handle']): Promise<void> {
    const requests = this.requests()[Symbol.asyncIterator]();
    const first = await requests.next();
    if (first.done === true) throw BmsError.invalidRequest('message', 'the call ended without a request');
    if ((await requests.next()).done !== true) {
      throw BmsError.invalidRequest('message', 'a second request came on a call that takes one');
    }
    const response = await handle(first.value, this);
    // Not waited for: with the status right behind it, both leave in one packet.
    if (!this.over) this.raw.sendMessage(asBuffer(response), () => {});
  }

  private requests(): AsyncIterable<Bytes> & { [Symbol.asyncIterator](): AsyncIterator<Bytes, undefined> } {
    const iterator: AsyncIterator<Bytes, undefined> = {
      next: () => this.read(),
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  private read(): Promise<IteratorResult<Bytes, undefined>> {
    if (this.requestsEnded && !this.over) return Promise.resolve({ done: true, value: undefined });
    const read = new Promise<IteratorResult<Bytes, undefined>>((resolve, reject) => {
      if (this.over) return reject(this.whyOver());
      this.pendingRead = { resolve, reject };
      this.raw.startRead();
    });
    read.catch(() => {}); // a handler may leave a read behind, and its failure must not end the process
    return read;
  }

  private endRequests(): void {
    this.requestsEnded = true;
    this.settleRead({ done: true, value: undefined });
  }

  private settleRead(result: IteratorResult<Bytes, undefined>): void {
    const waiter = this.pendingRead;
    this.pendingRead = undefined;
    waiter?.resolve(result);
  }

  private write(message: Bytes): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.over) return reject(this.whyOver());
      this.pendingWrite = { resolve, reject };
      this.raw.sendMessage(asBuffer(message), () => {
        this.pendingWrite = undefined;
        resolve();
      });
    });
  }

  private finish(error: unknown): void {
    const aborted = this.over;
    this.over = true;
    if (error !== undefined) this.report(error, aborted);
    if (aborted) return;
    this.raw.sendStatus(error === undefined ? this.success() : failure(error, this.trailers));
  }

  private success(): Parameters<RawCall['sendStatus']>[0] {
    try {
      return { code: grpc.status.OK, details: 'OK', metadata: toGrpcMetadata(this.trailers) };
    } catch (error) {
      this.onInternalError(error, this.path); // the handler's bug, though the error says INVALID_REQUEST
      return failure(new Error('the trailers cannot be sent', { cause: error }), new Metadata());
    }
  }

  private report(error: unknown, aborted: boolean): void {
    if (aborted && isAbort(error, this.signal)) return;
    const expected = error instanceof BmsError && error.reason !== Reason.INTERNAL;
    if (!expected) this.onInternalError(error, this.path);
  }

  private whyOver(): Error {
    const reason: unknown = this.signal.reason;
    return reason instanceof Error ? reason : new BmsError(Reason.CANCELLED, `${this.path} has been answered already`);
  }

  private cancellation(): BmsError {
    return this.deadlineMs !== undefined && Date.now() >= this.deadlineMs - DEADLINE_SLACK_MS
      ? new BmsError(Reason.DEADLINE_EXCEEDED, `the deadline of ${this.path} passed`)
      : new BmsError(Reason.CANCELLED, `the caller of ${this.path} is gone`);
  }
}

/** The status of `error` in grpc-js's words. */
export function failure(error: unknown, trailers: Metadata): Parameters<RawCall['sendStatus']>[0] {
  const status = statusOf(error);
  let metadata: grpc.Metadata;
  try {
    metadata = toGrpcMetadata(trailers);
  } catch {
    metadata = new grpc.Metadata(); // the error matters more than trailers that cannot be sent
  }
  if (status.details !== undefined) metadata.set(STATUS_DETAILS, asBuffer(status.details));
  return { code: status.code, details: status.message, metadata };
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true;
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError';
}
