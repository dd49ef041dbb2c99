import { createHash, type Hash } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import { BmsError, Reason } from '@bms/contracts';
import { abortable } from './abortable';
import { ifThere, writeAll } from './durable-file';
import { hashFileInto } from './hash-file';

/** An upload's temporary file, and what it is to become. */
export interface Upload {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/**
 * Writes on an upload; whoever calls holds its lock. Answers the bytes received so far: when it is all of them, the file is on
 * disk with the right digest. What breaks off stays to be continued; what is wrong is thrown away.
 */
export async function continueUpload(
  upload: Upload,
  offsetBytes: number,
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<number> {
  await checkOffset(upload, offsetBytes);
  const hash = createHash('sha256');
  const receivedBytes = await receive(upload, hash, chunks, signal);
  if (receivedBytes < upload.sizeBytes) return receivedBytes;
  const digest = hash.digest('hex');
  if (digest === upload.sha256) return upload.sizeBytes;
  await rm(upload.path, { force: true });
  throw new BmsError(
    Reason.DIGEST_MISMATCH,
    `the bytes have the sha256 ${digest}, promised was ${upload.sha256}; they were thrown away`,
    { facts: { sha256: digest, promised: upload.sha256 } },
  );
}

async function checkOffset({ path, sizeBytes }: Upload, offsetBytes: number): Promise<void> {
  let receivedBytes = (await ifThere(stat(path)))?.size ?? 0;
  if (receivedBytes > sizeBytes) {
    // Somebody else promised more bytes under this digest; one of the two is wrong, and the hash will tell which.
    await rm(path, { force: true });
    receivedBytes = 0;
  }
  if (offsetBytes === receivedBytes) return;
  throw new BmsError(
    Reason.UPLOAD_INTERRUPTED,
    `offset_bytes: ${offsetBytes} is not where the upload stopped: ${receivedBytes} bytes are here, go on from there`,
    { facts: { receivedBytes: String(receivedBytes) } },
  );
}

async function receive(
  { path, sizeBytes }: Upload,
  hash: Hash,
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<number> {
  const file = await open(path, 'a', 0o644);
  try {
    let receivedBytes = await hashFileInto(hash, path, signal);
    try {
      for await (const chunk of abortable(chunks, signal)) {
        if (receivedBytes + chunk.byteLength > sizeBytes) {
          await rm(path, { force: true });
          throw BmsError.invalidRequest(
            'chunk',
            `more bytes came than the ${sizeBytes} promised; all were thrown away`,
          );
        }
        await writeAll(file, chunk);
        hash.update(chunk);
        receivedBytes += chunk.byteLength;
      }
    } finally {
      await file.sync();
    }
    return receivedBytes;
  } finally {
    await file.close();
  }
}
