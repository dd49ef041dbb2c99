import { rpc } from '@bms/contracts';
import { GrpcCode, STATUS_DETAILS, type Status } from '@bms/transport';
import type { HeaderFields } from '../hpack/header-fields';
import { decodeBinary, encodeBinary } from './binary-values';
import { decodeMessage, encodeMessage } from './percent-encoding';

/** What a status takes of trailers, which peers refuse where they are more than 8 KiB in all. */
const STATUS_MAX_BYTES = 6 * 1024;
/** Of that, what is left to the message however large the details are. */
const MESSAGE_MIN_BYTES = 2 * 1024;

/** No other spelling of a code is taken for one: what is no status must not become OK. */
const CODES: ReadonlyMap<string, GrpcCode> = new Map(Object.values(GrpcCode).map((code) => [String(code), code]));

/**
 * Adds a status to trailers. A message that is too long is cut; details that are too large lose their copy of the message, then all but the
 * first of them, then go.
 */
export function appendStatus(fields: string[], status: Status): void {
  fields.push('grpc-status', String(status.code));
  const details = status.details === undefined ? undefined : fittingDetails(status.details);
  if (status.message !== '') {
    fields.push('grpc-message', encodeMessage(status.message, STATUS_MAX_BYTES - (details?.length ?? 0)));
  }
  if (details !== undefined) fields.push(STATUS_DETAILS, details);
}

/** The status in trailers; undefined where there is none. One with a code that gRPC does not know is UNKNOWN. */
export function statusIn(fields: HeaderFields): Status | undefined {
  let code: GrpcCode | undefined;
  let message = '';
  let details: Uint8Array | undefined;
  for (let at = 0; at < fields.length; at += 2) {
    const value = fields[at + 1] as string;
    switch (fields[at] as string) {
      case 'grpc-status':
        // Two of them contradict each other, or nobody knows why there are two.
        code = code === undefined ? (CODES.get(value) ?? GrpcCode.UNKNOWN) : GrpcCode.UNKNOWN;
        break;
      case 'grpc-message':
        message = decodeMessage(value);
        break;
      case STATUS_DETAILS:
        details = decodeBinary(value);
        break;
    }
  }
  return code === undefined ? undefined : { code, message, details };
}

function fittingDetails(details: Uint8Array): string | undefined {
  const maxBytes = STATUS_MAX_BYTES - MESSAGE_MIN_BYTES;
  const encoded = encodeBinary(details);
  if (encoded.length <= maxBytes) return encoded;
  try {
    const { code, details: packed } = rpc.Status.decode(details);
    for (const kept of [packed, packed.slice(0, 1)]) {
      const shorter = encodeBinary(rpc.Status.encode({ code, message: '', details: kept }).finish());
      if (shorter.length <= maxBytes) return shorter;
    }
  } catch {
    // Nothing that could be shortened.
  }
  return undefined;
}
