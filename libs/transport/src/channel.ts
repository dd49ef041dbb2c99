import type { Bytes, CallOptions } from './call';

/**
 * State of the connection behind a channel.
 * - `idle`: none, and none is wanted
 * - `connecting`: being made
 * - `ready`: calls go out at once
 * - `failed`: the last attempt failed or the connection broke; trying again after a pause
 * - `closed`: closed by us, for good
 */
export type ChannelState = 'idle' | 'connecting' | 'ready' | 'failed' | 'closed';

/**
 * The client's end: a connection to one address that is made and made again as needed.
 *
 * Calls throw a {@link BmsError}: the peer's own where it sent one; CONNECTION_FAILED when nothing was sent;
 * WORKER_LOST when the connection broke while the call was on it, so that it may have run;
 * DEADLINE_EXCEEDED and CANCELLED.
 */
export interface Channel {
  /** `host:port`. */
  readonly address: string;
  readonly state: ChannelState;
  /** Calls `listener` after each change of state, until the answer is called. */
  onStateChange(listener: (state: ChannelState) => void): () => void;
  /** Starts connecting when idle; the answer does not wait for it. */
  connect(): void;
  unary(path: string, request: Bytes, options?: CallOptions): Promise<Bytes>;
  /**
   * Any of the three streaming kinds. The call starts with the loop over its answers; leaving the loop cancels it.
   * What `requests` throws cancels it, too, and is thrown in the loop.
   */
  stream(path: string, requests: AsyncIterable<Bytes>, options?: CallOptions): AsyncIterable<Bytes>;
  /** Ends what is in flight with CANCELLED and closes the connection. */
  close(): void;
}
