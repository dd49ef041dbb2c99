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

/** What any channel takes; all have defaults. */
export interface ChannelOptions {
  /** The largest answer taken, in bytes; 64 MiB and 64 KiB by default: what a server sends may be a little more than it takes. */
  readonly messageBytes?: number | undefined;
  /** An attempt to connect that takes longer is broken off, and so is the wait of calls for it; 2000 ms by default. */
  readonly connectTimeoutMs?: number | undefined;
  /** The pause after the first failed attempt; 50 ms by default. Each further one is 1.6 times as long; of each, up to 40% is left out at random. */
  readonly reconnectMinMs?: number | undefined;
  /** The longest pause between attempts; 1000 ms by default. */
  readonly reconnectMaxMs?: number | undefined;
  /** While calls are in flight, a peer that nothing has come from for this long is asked whether it lives; 400 ms by default. */
  readonly keepaliveMs?: number | undefined;
  /** The same while none is; 2000 ms by default. */
  readonly idleKeepaliveMs?: number | undefined;
  /**
   * When nothing at all has come for this long after the question, the connection is broken and its calls fail with WORKER_LOST; 3000 ms
   * by default.
   */
  readonly keepaliveTimeoutMs?: number | undefined;
  /** Encrypts the connection; not encrypted by default. The certificate must be for the dialled host. */
  readonly tls?: TlsFiles | undefined;
  /** 0 to 1, for the jitter of pauses; Math.random by default. */
  readonly random?: (() => number) | undefined;
}

/** What a caller needs for TLS, each in PEM. */
export interface TlsFiles {
  /** Whom to trust; the machine's own list by default. */
  readonly ca?: Buffer | undefined;
  /** Who we are, where the server asks: certificate and key, both or none. */
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}
