/** A longer value is dropped: header lists are not that large. */
const VALUE_MAX_CHARACTERS = 8 * 1024;

/** Bytes as a `-bin` field carries them: base64 without padding. */
export function encodeBinary(bytes: Uint8Array): string {
  const encoded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  const end = encoded.indexOf('=');
  return end === -1 ? encoded : encoded.slice(0, end);
}

/** The values in a `-bin` field: several are separated by commas. Never throws; what is no base64 is left out. */
export function decodeBinaryList(value: string): Buffer[] {
  if (!value.includes(',')) {
    const only = decodeBinary(value);
    return only === undefined ? [] : [only];
  }
  const values: Buffer[] = [];
  for (const part of value.split(',')) {
    const bytes = decodeBinary(part.trim());
    if (bytes !== undefined) values.push(bytes);
  }
  return values;
}

/** One value, padded or not; undefined where it is no base64. */
export function decodeBinary(value: string): Buffer | undefined {
  if (value.length > VALUE_MAX_CHARACTERS) return undefined;
  let end = value.length;
  if (value.endsWith('==')) end -= 2;
  else if (value.endsWith('=')) end -= 1;
  if (end < value.length && value.length % 4 !== 0) return undefined;
  if (end % 4 === 1) return undefined;
  const bytes = Buffer.from(value, 'base64');
  // Node skips what is no base64.
  return bytes.length === Math.floor((end * 3) / 4) ? bytes : undefined;
}
