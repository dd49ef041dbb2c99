import { createHash } from 'node:crypto';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BmsError, Reason, type models } from '@bms/contracts';
import { abortable } from './abortable';
import { ifThere, writeAll } from './durable-file';
import { hashFileInto } from './hash-file';

/** A blob's bytes from an offset on. */
export type FetchBlob = (sha256: string, offsetBytes: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;

/**
 * Fetches a file to `path`, on from what is there of it, and puts it on disk. Throws DIGEST_MISMATCH, after deleting it, where
 * the bytes are not the promised ones, and what `fetch` throws; what came so far then stays for the next try.
 */
export async function fetchFile(
  { sha256, sizeBytes }: models.ArtifactFile,
  path: string,
  fetch: FetchBlob,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const size = Number(sizeBytes);
  if (((await ifThere(stat(path)))?.size ?? 0) > size) await rm(path, { force: true });
  const hash = createHash('sha256');
  const file = await open(path, 'a', 0o644);
  let receivedBytes: number;
  try {
    receivedBytes = await hashFileInto(hash, path, signal);
    const rest = receivedBytes < size ? fetch(sha256, receivedBytes, signal) : [];
    for await (const chunk of abortable(iterable(rest), signal)) {
      receivedBytes += chunk.byteLength;
      if (receivedBytes > size) break;
      await writeAll(file, chunk);
      hash.update(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (receivedBytes < size) {
    throw new BmsError(Reason.UPLOAD_INTERRUPTED, `the blob ${sha256} ended after ${receivedBytes} of ${size} bytes`);
  }
  if (receivedBytes === size && hash.digest('hex') === sha256) return;
  await rm(path, { force: true });
  throw new BmsError(
    Reason.DIGEST_MISMATCH,
    `what came for the blob ${sha256} are other bytes; they were thrown away`,
    {
      facts: { sha256 },
    },
  );
}

async function* iterable<T>(items: AsyncIterable<T> | Iterable<T>): AsyncIterable<T> {
  yield* items;
}
