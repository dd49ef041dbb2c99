/** One message of a call. */
export interface Message {
  /** Whether `bytes` are compressed, as `grpc-encoding` says. */
  readonly compressed: boolean;
  readonly bytes: Buffer;
}
