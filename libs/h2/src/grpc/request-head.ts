import { BmsError, Reason } from '@bms/contracts';
import type { Metadata } from '@bms/transport';
import type { HeaderFields } from '../hpack/header-fields';
import { isGrpcContentType } from './content-type';
import { shown } from './field-rules';
import { parseTimeoutMs } from './grpc-timeout';
import { metadataOf } from './metadata-fields';

/** What gRPC makes of a request's header list. */
export type RequestVerdict = RequestHead | NoCall | RefusedCall;

/** It is no call of gRPC, and is answered in HTTP's words: 405 allows POST; 415 is about the content type. */
export interface NoCall {
  readonly kind: 'no-call';
  readonly httpStatus: 405 | 415;
}

/** A call that is answered with an error at once: UNIMPLEMENTED or INVALID_REQUEST. */
export interface RefusedCall {
  readonly kind: 'refused';
  readonly error: BmsError;
}

/** What a call says before its first message. */
export class RequestHead {
  readonly kind = 'call';
  private read: Metadata | undefined;

  constructor(
    private readonly fields: HeaderFields,
    /** `/package.Service/Method`, exactly. */
    readonly path: string,
    /** Whom the caller believes to call; empty where it does not say. */
    readonly authority: string,
    /** How long the caller waits, from when the list came, 0 or more; undefined: for ever. */
    readonly timeoutMs: number | undefined,
    /** How compressed messages of the caller are compressed; `identity` where it does not say. May be one that we do not know. */
    readonly encoding: string,
  ) {}

  /** Read when it is asked for first. */
  get metadata(): Metadata {
    return (this.read ??= metadataOf(this.fields));
  }
}

const WRONG_METHOD: NoCall = { kind: 'no-call', httpStatus: 405 };
const WRONG_TYPE: NoCall = { kind: 'no-call', httpStatus: 415 };

/**
 * Reads the header list of a request, which keeps to HTTP/2's rules (`requestFault` has no fault to find). Throws nothing.
 */
export function readRequestHead(fields: HeaderFields): RequestVerdict {
  const said = new Said();
  for (let at = 0; at < fields.length; at += 2) said.take(fields[at] as string, fields[at + 1] as string);
  const { method, path, contentType, timeout } = said;
  if (method !== 'POST') return WRONG_METHOD;
  if (contentType === undefined || !isGrpcContentType(contentType)) return WRONG_TYPE;
  if (!isMethodPath(path)) {
    return refused(new BmsError(Reason.UNIMPLEMENTED, `${shown(path)} is no /package.Service/Method`));
  }
  const timeoutMs = timeout === undefined ? undefined : parseTimeoutMs(timeout);
  if (timeout !== undefined && timeoutMs === undefined) return refused(noTimeout(timeout));
  return new RequestHead(fields, path, said.authority ?? said.host ?? '', timeoutMs, said.encoding ?? 'identity');
}

/** The fields that mean something to gRPC. */
class Said {
  method: string | undefined;
  path = '';
  authority: string | undefined;
  host: string | undefined;
  contentType: string | undefined;
  timeout: string | undefined;
  encoding: string | undefined;

  take(name: string, value: string): void {
    switch (name) {
      case ':method':
        this.method = value;
        break;
      case ':path':
        this.path = value;
        break;
      case ':authority':
        this.authority = value;
        break;
      case 'host':
        this.host = value;
        break;
      case 'content-type':
        this.contentType = joined(this.contentType, value);
        break;
      case 'grpc-timeout':
        this.timeout = joined(this.timeout, value);
        break;
      case 'grpc-encoding':
        this.encoding = joined(this.encoding, value);
        break;
    }
  }
}

/** What repeated fields mean in HTTP; no value that we know has a comma. */
function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`;
}

/** Whether `path` is two names behind a slash each, and nothing else: what is authorized must be what is called (CVE-2026-33186). */
function isMethodPath(path: string): boolean {
  if (path.charCodeAt(0) !== 0x2f) return false;
  const slash = path.indexOf('/', 1);
  if (slash < 2 || slash === path.length - 1) return false;
  for (let at = 1; at < path.length; at++) if (at !== slash && !isOfName(path.charCodeAt(at))) return false;
  return true;
}

/** Letters, digits, "_", "." and "-". */
function isOfName(octet: number): boolean {
  return (
    (octet >= 0x61 && octet <= 0x7a) ||
    (octet >= 0x41 && octet <= 0x5a) ||
    (octet >= 0x30 && octet <= 0x39) ||
    octet === 0x5f ||
    octet === 0x2e ||
    octet === 0x2d
  );
}

function refused(error: BmsError): RefusedCall {
  return { kind: 'refused', error };
}

function noTimeout(value: string): BmsError {
  return BmsError.invalidRequest(
    'grpc-timeout',
    `${shown(value)}; one to eight digits and one of H, M, S, m, u and n are allowed`,
  );
}
