/** Where a server listens. */
export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** The server's end: answers `Routes` on one port. */
export interface Server {
  /** Resolves with the port once connections are accepted; throws a clear sentence when the port is taken. */
  listen(address: ListenAddress): Promise<number>;
  /** Says GOAWAY, accepts nothing new, resolves when what is in flight has ended or `signal` is aborted. */
  drain(signal: AbortSignal): Promise<void>;
  /** Closes at once; what is in flight breaks. */
  close(): Promise<void>;
}

/** Limits of a server; all have defaults. */
export interface ServerLimits {
  /** The largest message taken, in bytes; 64 MiB by default. */
  readonly messageBytes?: number;
  /** Streams that one connection may have open; 1000 by default. */
  readonly concurrentStreams?: number;
}

/** What any server takes; all have defaults. */
export interface ServerOptions extends ServerLimits {
  /** Told of errors that callers only see as INTERNAL, to be logged, with the path of the call; ignored by default. */
  readonly onInternalError?: ((error: unknown, path: string) => void) | undefined;
  /**
   * A caller with calls here of whom nothing at all comes for this long, not even the answer to a PING, is taken for gone, and
   * its calls are aborted; 10,000 ms by default.
   */
  readonly callerTimeoutMs?: number | undefined;
  /** How the error about a message that is too large names the setting to change; `messageLimit` by default. */
  readonly messageLimitSetting?: string | undefined;
}

export const MESSAGE_LIMIT_BYTES_DEFAULT = 64 * 1024 * 1024;
