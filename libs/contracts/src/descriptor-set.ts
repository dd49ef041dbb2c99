import { readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * All of proto/ and what it imports, comments included, as an encoded google.protobuf.FileDescriptorSet:
 * what server reflection answers from. Read anew at each call.
 */
export function readDescriptorSet(): Uint8Array {
  return readFileSync(path.join(__dirname, '..', 'descriptors.binpb'));
}
