import type { Metadata, Status } from '@bms/transport';
import type { HeaderFields } from '../hpack/header-fields';
import { isGrpcContentType } from './content-type';
import { statusOfHttp } from './http-status';
import { metadataOf } from './metadata-fields';
import { statusIn } from './status-fields';

/** An answer has begun: messages may follow, and trailers must. */
export class ResponseHead {
  readonly kind = 'open';
  private read: Metadata | undefined;

  constructor(
    private readonly fields: HeaderFields,
    /** Nearly always 200; of another one something may come of it in the trailers. */
    readonly httpStatus: number,
    /** How compressed messages of the answer are compressed; `identity` where it does not say. */
    readonly encoding: string,
  ) {}

  /** Read when it is asked for first. */
  get metadata(): Metadata {
    return (this.read ??= metadataOf(this.fields));
  }
}

/** How a call has ended, by what the peer says. */
export class CallEnd {
  readonly kind = 'ended';
  private read: Metadata | undefined;

  constructor(
    readonly status: Status,
    private readonly fields: HeaderFields,
  ) {}

  /** Read when they are asked for first. */
  get trailers(): Metadata {
    return (this.read ??= metadataOf(this.fields));
  }
}

/**
 * Reads the first header list of an answer that is not interim. An answer that cannot be gRPC's has ended with it, even where a body follows
 * that nobody will read: the stream is then to be reset. Throws nothing.
 * @param ended whether the stream ends with the list: trailers only
 */
export function readResponseHead(fields: HeaderFields, ended: boolean): ResponseHead | CallEnd {
  let httpStatus = 0;
  let contentType = '';
  let encoding = 'identity';
  for (let at = 0; at < fields.length; at += 2) {
    const value = fields[at + 1] as string;
    switch (fields[at] as string) {
      case ':status':
        httpStatus = Number(value);
        break;
      case 'content-type':
        contentType = value;
        break;
      case 'grpc-encoding':
        encoding = value;
        break;
    }
  }
  if (!ended && isGrpcContentType(contentType)) return new ResponseHead(fields, httpStatus, encoding);
  return readTrailers(fields, httpStatus);
}

/**
 * Reads the header list that ends an answer. Without a `grpc-status` the HTTP status says what it was, and never that it was OK.
 * @param httpStatus of the answer's first list
 */
export function readTrailers(fields: HeaderFields, httpStatus: number): CallEnd {
  return new CallEnd(statusIn(fields) ?? statusOfHttp(httpStatus), fields);
}
