import type { CancelSignal } from './cancel-signal';
import type { Metadata } from './metadata';

/** One message as it is on the wire. */
export type Bytes = Uint8Array;

/** What a server's handler knows about the call it answers. */
export interface ServerCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly metadata: Metadata;
  /** When the caller stops waiting: milliseconds since 1970 on this machine's clock; undefined: never. */
  readonly deadlineMs: number | undefined;
  /** Aborted when the caller cancelled, its deadline passed or its connection broke. */
  readonly signal: AbortSignal;
  /** The same, for who need not have a real AbortSignal: on the data plane that one is made only for those who ask. */
  readonly cancel: CancelSignal;
  /** The address that the call came from, `host:port`. */
  readonly peer: string;
  /** Sent with the status at the end, also when the handler throws. */
  readonly trailers: Metadata;
}

/** What a client says beside a request. */
export interface CallOptions {
  readonly metadata?: Metadata | undefined;
  /** Milliseconds since 1970 on this machine's clock; what remains of it is sent. */
  readonly deadlineMs?: number | undefined;
  /** Aborting it cancels the call, which then throws CANCELLED. */
  readonly signal?: CancelSignal | undefined;
  /** Called once with the trailers, also when the call failed. */
  readonly onTrailers?: ((trailers: Metadata) => void) | undefined;
}

/** The `service/method` of a call and how its messages flow. */
export type UnaryHandler = (request: Bytes, call: ServerCall) => Promise<Bytes>;
/**
 * Takes any number of requests and gives any number of answers. The next answer is asked for only when the
 * transport can take it, the next request is read only when the handler asks: that is the back-pressure.
 *
 * A caller that cancels can look, for a moment, like one that has ended its requests (Node's HTTP/2 client ends a
 * stream before it resets it). What must be whole needs a size, a digest or a last message of its own.
 */
export type StreamHandler = (requests: AsyncIterable<Bytes>, call: ServerCall) => AsyncIterable<Bytes>;

/** How one method is answered. */
export type Route =
  | { readonly kind: 'unary'; readonly handle: UnaryHandler }
  | { readonly kind: 'stream'; readonly handle: StreamHandler };

/** All that a server answers, by path. */
export type Routes = ReadonlyMap<string, Route>;

/** The work of a layer in a stack: `stack = a(b(c(last)))`. */
export type Handler<Call, Result> = (call: Call) => Promise<Result>;
export type Layer<Call, Result> = (next: Handler<Call, Result>) => Handler<Call, Result>;

/** Composes layers, the first one outermost, around the last handler. */
export function stack<Call, Result>(
  layers: readonly Layer<Call, Result>[],
  last: Handler<Call, Result>,
): Handler<Call, Result> {
  return layers.reduceRight((next, layer) => layer(next), last);
}
