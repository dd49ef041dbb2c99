import type { Metadata } from '@bms/transport';
import { appendMetadata } from '../grpc/metadata-fields';

/** The header list that a call begins with. Throws INVALID_REQUEST for metadata that cannot be headers. */
export function requestFields(
  path: string,
  scheme: string,
  authority: string,
  metadata: Metadata | undefined,
): string[] {
  const fields = [
    ...[':method', 'POST', ':scheme', scheme, ':path', path, ':authority', authority],
    ...['content-type', 'application/grpc', 'te', 'trailers', 'grpc-accept-encoding', 'identity,gzip,deflate'],
  ];
  if (metadata !== undefined) appendMetadata(fields, metadata);
  return fields;
}

/** As RFC 9113 §6.5.2 counts: names, values and 32 a field. */
export function headerListBytes(fields: readonly string[]): number {
  let bytes = 16 * fields.length;
  for (let at = 0; at < fields.length; at++) bytes += (fields[at] as string).length;
  return bytes;
}
