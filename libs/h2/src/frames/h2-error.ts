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
