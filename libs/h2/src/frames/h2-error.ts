import { errorCodeName, type ErrorCode } from './error-code';

/** The peer broke the rules in a way that ends the connection: GOAWAY with the code, and the socket is closed. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  constructor(
    readonly code: ErrorCode,
    why: string,
  ) {
    super(`${errorCodeName(code)}: ${why}`);
  }
}

/** The peer broke the rules of one stream: RST_STREAM with the code. */
export class StreamError extends Error {
  override readonly name = 'StreamError';
  constructor(
    readonly streamId: number,
    readonly code: ErrorCode,
    why: string,
  ) {
    super(`${errorCodeName(code)} on stream ${streamId}: ${why}`);
  }
}
