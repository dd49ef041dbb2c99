/** Octets of a field name in HTTP/2: RFC 9110's token, without upper case. */
const NAME_OCTETS = octetsOf("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz");
const HTAB = 0x09;
const SPACE = 0x20;
const DELETE = 0x7f;

/** What is wrong with a field that is no pseudo-header (RFC 9113 §8.2, RFC 9110 §5), as a sentence; undefined: nothing. */
export function fieldFault(name: string, value: string): string | undefined {
  if (!isFieldName(name)) {
    if (name.charCodeAt(0) === 0x3a) return `the pseudo-header ${shown(name)} comes after other fields`;
    return `${shown(name)} is not a field name`;
  }
  if (!isFieldValue(value)) return `the value of ${name} has characters that are not allowed there`;
  if (isOfConnection(name)) return `${name} belongs to HTTP/1.1 connections`;
  if (name === 'te' && value !== 'trailers') return 'te may be "trailers" and nothing else';
  return undefined;
}

/** Whether `value` is made of visible characters, with spaces and tabs between, but not around. May be empty. */
export function isFieldValue(value: string): boolean {
  const { length } = value;
  if (length === 0) return true;
  if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1))) return false;
  for (let at = 0; at < length; at++) {
    const octet = value.charCodeAt(at);
    if ((octet < SPACE && octet !== HTAB) || octet === DELETE || octet > 0xff) return false;
  }
  return true;
}

/** `name` between quotes, cut, with escapes for what cannot be seen. */
export function shown(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}

function isFieldName(name: string): boolean {
  const { length } = name;
  for (let at = 0; at < length; at++) if (NAME_OCTETS[name.charCodeAt(at)] !== 1) return false;
  return length > 0;
}

/** RFC 9113 §8.2.2. By length first: nearly every name has another one. */
function isOfConnection(name: string): boolean {
  switch (name.length) {
    case 7:
      return name === 'upgrade';
    case 10:
      return name === 'connection' || name === 'keep-alive';
    case 16:
      return name === 'proxy-connection';
    case 17:
      return name === 'transfer-encoding';
    default:
      return false;
  }
}

function isBlank(octet: number): boolean {
  return octet === SPACE || octet === HTAB;
}

function octetsOf(allowed: string): Uint8Array {
  const octets = new Uint8Array(256);
  for (const octet of Buffer.from(allowed, 'latin1')) octets[octet] = 1;
  return octets;
}
