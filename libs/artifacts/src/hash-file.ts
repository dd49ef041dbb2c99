import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { abortable } from './abortable';

const READ_BYTES = 1_024 * 1_024;

/** The SHA-256 of a file, as 64 lower-case hex digits. `onProgress` is told the bytes read so far. */
export async function sha256OfFile(
  path: string,
  signal?: AbortSignal,
  onProgress?: (readBytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256');
  await hashFileInto(hash, path, signal, onProgress);
  return hash.digest('hex');
}

/** Feeds a file to a hash that may have seen something before and may see more. Answers how many bytes there were. */
export async function hashFileInto(
  hash: Hash,
  path: string,
  signal?: AbortSignal,
  onProgress?: (readBytes: number) => void,
): Promise<number> {
  let readBytes = 0;
  const stream = createReadStream(path, { highWaterMark: READ_BYTES });
  for await (const chunk of abortable(stream as AsyncIterable<Buffer>, signal)) {
    hash.update(chunk);
    readBytes += chunk.byteLength;
    onProgress?.(readBytes);
  }
  return readBytes;
}
