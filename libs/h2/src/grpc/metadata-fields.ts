import { BmsError } from '@bms/contracts';
import { Metadata, type MetadataValue } from '@bms/transport';
import type { HeaderFields } from '../hpack/header-fields';
import { decodeBinaryList, encodeBinary } from './binary-values';
import { shown } from './field-rules';
import { isReserved } from './reserved-names';

/** Fields with one value, whatever comes: of several the first counts. So it is with Node's own HTTP/2, below the other transport. */
const FIRST_COUNTS: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'from',
  'referer',
  'user-agent',
]);

/**
 * Adds `metadata` to a header list. Names of the protocol (see {@link isReserved}) are left out, blanks around a text are, too.
 * Throws INVALID_REQUEST for a name or a value that cannot be a header.
 */
export function appendMetadata(fields: string[], metadata: Metadata | undefined): void {
  if (metadata === undefined) return;
  for (let i = 0; i < metadata.size; i++) {
    const name = metadata.nameAt(i);
    const value = metadata.valueAt(i);
    if (isReserved(name)) continue;
    if (!isMetadataName(name)) throw refused(name, 'a name is made of a to z, 0 to 9, "_", "." and "-"');
    fields.push(name, fieldValue(name, value));
  }
}

/**
 * What a header list from `fromIndex` on says beside the protocol's own fields. Text values of one name become one value, joined by
 * ", ", which is what HTTP makes of repeated fields; `-bin` values are decoded, one each. Never throws: what cannot be metadata is left out.
 */
export function metadataOf(fields: HeaderFields, fromIndex = 0): Metadata {
  const metadata = new Metadata();
  for (let at = fromIndex; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (isReserved(name) || !isMetadataName(name)) continue;
    if (name.endsWith('-bin')) for (const bytes of decodeBinaryList(value)) metadata.append(name, bytes);
    else if (isText(value)) addText(metadata, name, value);
  }
  return metadata;
}

function addText(metadata: Metadata, name: string, value: string): void {
  const before = metadata.get(name);
  if (before === undefined) metadata.set(name, value);
  else if (name === 'set-cookie') metadata.append(name, value);
  else if (!FIRST_COUNTS.has(name)) metadata.set(name, `${before}${name === 'cookie' ? '; ' : ', '}${value}`);
}

function fieldValue(name: string, value: MetadataValue): string {
  if (name.endsWith('-bin')) {
    if (typeof value === 'string') throw refused(name, 'a name that ends in "-bin" takes bytes');
    return encodeBinary(value);
  }
  if (typeof value !== 'string') throw refused(name, 'only a name that ends in "-bin" takes bytes');
  if (!isText(value)) throw refused(name, 'a text is made of printable ASCII');
  return value.trim();
}

function isMetadataName(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const octet = name.charCodeAt(at);
    const allowed =
      (octet >= 0x61 && octet <= 0x7a) ||
      (octet >= 0x30 && octet <= 0x39) ||
      octet === 0x2d ||
      octet === 0x2e ||
      octet === 0x5f;
    if (!allowed) return false;
  }
  return name.length > 0;
}

function isText(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const octet = value.charCodeAt(at);
    if (octet < 0x20 || octet > 0x7e) return false;
  }
  return true;
}

function refused(name: string, why: string): BmsError {
  return BmsError.invalidRequest(`metadata ${shown(name)}`, why);
}
