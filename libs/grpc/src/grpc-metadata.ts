import { BmsError } from '@bms/contracts';
import { Metadata } from '@bms/transport';
import * as grpc from '@grpc/grpc-js';

/** Throws INVALID_REQUEST for a name or a value that cannot be a header. */
export function toGrpcMetadata(metadata: Metadata | undefined): grpc.Metadata {
  const result = new grpc.Metadata();
  if (metadata === undefined) return result;
  for (const [name, value] of metadata.entries()) {
    try {
      result.add(name, typeof value === 'string' ? value : asBuffer(value));
    } catch (cause) {
      throw BmsError.invalidRequest(
        `metadata ${JSON.stringify(name)}`,
        cause instanceof Error ? cause.message : 'cannot be sent as a header',
      );
    }
  }
  return result;
}

/**
 * What the peer sent, without what belongs to the protocol itself. Text values of one name arrive as one value, joined
 * by ", ", which is what HTTP makes of repeated headers.
 */
export function fromGrpcMetadata(metadata: grpc.Metadata): Metadata {
  const result = new Metadata();
  for (const name of Object.keys(metadata.getMap())) {
    if (OF_THE_PROTOCOL.has(name) || name.startsWith('grpc-')) continue;
    for (const value of metadata.get(name)) result.append(name, value);
  }
  return result;
}

const OF_THE_PROTOCOL: ReadonlySet<string> = new Set(['content-type', 'te', 'date', 'accept-encoding']);

/** A view of the same bytes: grpc-js wants a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
