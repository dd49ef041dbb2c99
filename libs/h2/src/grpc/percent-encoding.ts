/** What a `grpc-message` may have as it is sent, and what is read of one. Trailers are headers, and peers refuse big ones. */
export const MESSAGE_MAX_BYTES = 8 * 1024;

const PERCENT = 0x25;
const SPACE = 0x20;
const TILDE = 0x7e;

/**
 * A sentence as it travels in `grpc-message`: UTF-8, all but printable ASCII as %XX. What is more than `maxBytes` is cut
 * off between characters. Spaces at the ends become %20, as a field's value may have none there. Never throws: a lone
 * surrogate becomes U+FFFD.
 */
export function encodeMessage(message: string, maxBytes = MESSAGE_MAX_BYTES): string {
  if (message.length <= maxBytes && isPlain(message)) return message;
  const blankFrom = message.trimEnd().length;
  let encoded = '';
  let at = 0;
  for (const character of message) {
    const inside = at > 0 && at < blankFrom;
    const next =
      isPlainOctet(character.charCodeAt(0)) && (inside || character !== ' ') ? character : escaped(character);
    if (encoded.length + next.length > maxBytes) return encoded.trimEnd();
    encoded += next;
    at += character.length;
  }
  return encoded;
}

/**
 * The sentence in a `grpc-message`. Never throws: what is no %XX stays as it is, what is no UTF-8 becomes U+FFFD, and what
 * is more than {@link MESSAGE_MAX_BYTES} is left out.
 */
export function decodeMessage(value: string): string {
  const encoded = value.length > MESSAGE_MAX_BYTES ? value.slice(0, MESSAGE_MAX_BYTES) : value;
  if (isPlain(encoded)) return encoded;
  const octets = Buffer.allocUnsafe(encoded.length);
  let length = 0;
  for (let at = 0; at < encoded.length; at++) {
    let octet = encoded.charCodeAt(at);
    if (octet === PERCENT) {
      const escapedOctet = 16 * hexDigit(encoded.charCodeAt(at + 1)) + hexDigit(encoded.charCodeAt(at + 2));
      if (escapedOctet >= 0) {
        octet = escapedOctet;
        at += 2;
      }
    }
    octets[length++] = octet;
  }
  return octets.toString('utf8', 0, length);
}

/** Whether it travels as it is. */
function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (!isPlainOctet(text.charCodeAt(at))) return false;
  return !text.startsWith(' ') && !text.endsWith(' ');
}

function isPlainOctet(octet: number): boolean {
  return octet >= SPACE && octet <= TILDE && octet !== PERCENT;
}

function escaped(character: string): string {
  let result = '';
  for (const octet of Buffer.from(character, 'utf8')) {
    result += `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return result;
}

/** Of an octet in ASCII; far below 0 where it is none, or NaN. */
function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  if (octet >= 0x41 && octet <= 0x46) return octet - 0x37;
  if (octet >= 0x61 && octet <= 0x66) return octet - 0x57;
  return -1_000;
}
