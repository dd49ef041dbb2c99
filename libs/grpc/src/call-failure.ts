import { BmsError, Reason } from '@bms/contracts';
import { errorOf, GrpcCode, STATUS_DETAILS } from '@bms/transport';
import * as grpc from '@grpc/grpc-js';
import { tooLarge } from './message-too-large';

/** What errors say about the call that failed. */
export interface CallContext {
  readonly path: string;
  readonly address: string;
  readonly messageLimitBytes: number;
}

/**
 * What grpc-js itself says when the connection broke under a call. It has no other way of telling: such a status
 * looks like one that a server sent after its headers.
 */
const CONNECTION_BROKE: readonly RegExp[] = [
  /^Connection dropped$/,
  /^Write (error|failed)/,
  /^(read|write) E[A-Z]+/,
  /^Received RST_STREAM with code (0|2) triggered by internal client error/,
];

/** The peer has refused the stream, or has told in a GOAWAY that it never saw it: HTTP/2 promises it did nothing. */
const REFUSED = 'Stream refused by server';

/**
 * The error that a failed call throws: a server's own, or what happened on the way.
 * @param sent whether the call was put on a connection at all
 */
export function failureOf(status: grpc.StatusObject, sent: boolean, context: CallContext): BmsError {
  const { code, details, metadata } = status;
  const { path, address } = context;
  const encoded = metadata.get(STATUS_DETAILS)[0];
  const known = encoded === undefined ? withoutDetails(status, sent, context) : undefined;
  return (
    known ??
    errorOf(
      {
        code: isCode(code) ? code : GrpcCode.UNKNOWN,
        message: details,
        details: typeof encoded === 'string' ? undefined : encoded,
      },
      `${path} on ${address}`,
    )
  );
}

/** What grpc-js found out by itself; undefined for what a foreign server said. */
function withoutDetails(status: grpc.StatusObject, sent: boolean, context: CallContext): BmsError | undefined {
  const { code, details, metadata } = status;
  const { path, address, messageLimitBytes } = context;
  // What grpc-js says by itself comes without metadata.
  if (Object.keys(metadata.getMap()).length > 0) return undefined;
  if (code === grpc.status.DEADLINE_EXCEEDED) return deadlineExceeded(context);
  if (!sent) return notSent(address, details);
  if (details === REFUSED) return notSent(address, 'it refused the call');
  if (CONNECTION_BROKE.some((pattern) => pattern.test(details))) {
    const message = `the connection to ${address} broke while ${path} was on it`;
    return new BmsError(Reason.WORKER_LOST, message, { cause: new Error(details) });
  }
  if (code === grpc.status.RESOURCE_EXHAUSTED && details.startsWith('Received message')) {
    return tooLarge(details, messageLimitBytes, 'this client takes no more');
  }
  return undefined;
}

/** DEADLINE_EXCEEDED, as this side finds it. */
export function deadlineExceeded({ path, address }: CallContext): BmsError {
  return new BmsError(Reason.DEADLINE_EXCEEDED, `${path} was not answered by ${address} before the deadline`);
}

/** CONNECTION_FAILED: nothing was sent, so the call can be sent elsewhere. */
export function notSent(address: string, why: string): BmsError {
  const errno = /\b(E[A-Z]{4,}|ENOTFOUND)\b/.exec(why)?.[1];
  return new BmsError(
    Reason.CONNECTION_FAILED,
    `no connection to ${address}${errno === undefined ? '' : ` (${errno})`}`,
    {
      cause: new Error(why),
    },
  );
}

function isCode(code: number): code is GrpcCode {
  return code in grpc.status;
}
