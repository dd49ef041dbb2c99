/**
 * A header list: name, value, name, value, … in the order of the wire. Names are in lower case, pseudo-headers come
 * first; a character is one octet (latin1).
 */
export type HeaderFields = readonly string[];

/** What a field counts beside its name and its value, in tables and lists (RFC 7541 §4.1, RFC 9113 §6.5.2). */
export const FIELD_OVERHEAD_BYTES = 32;

export function fieldBytes(name: string, value: string): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES;
}
