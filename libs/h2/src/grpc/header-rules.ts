import type { HeaderFields } from '../hpack/header-fields';
import { fieldFault, isFieldValue, shown } from './field-rules';

/** What HTTP/2 itself says of a header list; gRPC's own rules are in `request-head.ts` and `response-head.ts`. */
export interface HeaderVerdict {
  /** What makes it malformed (RFC 9113 §8.1.1), as a sentence: the stream ends with PROTOCOL_ERROR. Undefined: nothing. */
  readonly fault: string | undefined;
  /** How many bytes of DATA must come; undefined where the list does not say. */
  readonly contentLength: number | undefined;
}

/** More digits than this are no length, and would not be exact as a number. */
const LENGTH_DIGITS = 15;
/** RFC 9110 §9.1, a token; RFC 3986 §3.1. */
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*$/;

/**
 * Judges the header list of a request to any server, by RFC 9113 §8.2 and §8.3. A `:path` that does not begin with a slash
 * passes: what lies above has no route for it.
 */
export function requestFault(fields: HeaderFields): HeaderVerdict {
  const line = new RequestLine();
  let at = 0;
  for (; isPseudo(fields[at]); at += 2) {
    const fault = line.take(fields[at] as string, fields[at + 1] as string);
    if (fault !== undefined) return malformed(fault);
  }
  const fault = line.fault();
  return fault === undefined ? judgeRest(fields, at, line.authority) : malformed(fault);
}

/** Judges the first header list of an answer, an interim one included. */
export function responseFault(fields: HeaderFields): HeaderVerdict {
  if (fields[0] !== ':status') return malformed(':status is missing or not the first field');
  const status = fields[1] as string;
  if (!/^[1-9]\d\d$/.test(status)) return malformed(`:status is ${shown(status)}`);
  if (status === '101') return malformed('HTTP/2 has no 101');
  if (isPseudo(fields[2])) return malformed(`${shown(fields[2] as string)} has no place behind :status`);
  return judgeRest(fields, 2, undefined);
}

/** What is wrong with trailers, of either side. */
export function trailerFault(fields: HeaderFields): string | undefined {
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (isPseudo(name)) return `the pseudo-header ${shown(name)} among trailers`;
    if (name === 'content-length') return 'content-length among trailers';
    const fault = fieldFault(name, fields[at + 1] as string);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** The pseudo-headers of a request. */
class RequestLine {
  authority: string | undefined;
  private method: string | undefined;
  private scheme: string | undefined;
  private path: string | undefined;

  /** Returns what is wrong with it. */
  take(name: string, value: string): string | undefined {
    if (!isPseudoValue(name, value)) return `${shown(name)} is ${shown(value)}`;
    switch (name) {
      case ':method':
        if (this.method !== undefined) return twice(name);
        this.method = value;
        return undefined;
      case ':scheme':
        if (this.scheme !== undefined) return twice(name);
        this.scheme = value;
        return undefined;
      case ':path':
        if (this.path !== undefined) return twice(name);
        this.path = value;
        return undefined;
      case ':authority':
        if (this.authority !== undefined) return twice(name);
        this.authority = value;
        return value.includes('@') ? ':authority names a user' : undefined;
      default:
        return `${shown(name)} is no pseudo-header of a request`;
    }
  }

  /** What is wrong with all of them together. */
  fault(): string | undefined {
    const { method, scheme, path, authority } = this;
    if (method === undefined) return ':method is missing';
    if (method === 'CONNECT') {
      if (scheme !== undefined || path !== undefined) return 'CONNECT takes no :scheme and no :path';
      return authority === undefined ? 'CONNECT takes an :authority' : undefined;
    }
    if (scheme === undefined) return ':scheme is missing';
    return path === undefined ? ':path is missing' : undefined;
  }
}

/** Everything behind the pseudo-headers. */
function judgeRest(fields: HeaderFields, from: number, authority: string | undefined): HeaderVerdict {
  let contentLength: number | undefined;
  let hosts = 0;
  for (let at = from; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    const fault = fieldFault(name, value);
    if (fault !== undefined) return malformed(fault);
    if (name === 'content-length') {
      if (contentLength !== undefined) return malformed(twice(name));
      contentLength = lengthIn(value);
      if (contentLength === undefined) return malformed(`content-length is ${shown(value)}`);
    } else if (name === 'host') {
      hosts += 1;
      if (hosts > 1) return malformed(twice(name));
      if (authority !== undefined && !isSameHost(value, authority))
        return malformed('host is not what :authority says');
    }
  }
  return { fault: undefined, contentLength };
}

/** A blank in one of them would make two fields of it for whoever speaks HTTP/1.1. */
function isPseudoValue(name: string, value: string): boolean {
  if (value === '' || !isFieldValue(value) || value.includes(' ') || value.includes('\t')) return false;
  if (name === ':method') return value === 'POST' || METHOD.test(value);
  return name !== ':scheme' || value === 'http' || value === 'https' || SCHEME.test(value);
}

function isPseudo(name: string | undefined): boolean {
  return name !== undefined && name.charCodeAt(0) === 0x3a;
}

function lengthIn(value: string): number | undefined {
  if (value.length === 0 || value.length > LENGTH_DIGITS) return undefined;
  let length = 0;
  for (let at = 0; at < value.length; at++) {
    const digit = value.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
  }
  return length;
}

function isSameHost(one: string, other: string): boolean {
  return one === other || one.toLowerCase() === other.toLowerCase();
}

function malformed(fault: string): HeaderVerdict {
  return { fault, contentLength: undefined };
}

function twice(name: string): string {
  return `${name} comes twice`;
}
