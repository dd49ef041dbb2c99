import { open, type FileHandle } from 'node:fs/promises';
import { BmsError, Reason } from '@bms/contracts';

/** A full disk is for people to mend; whoever tries again finds what came so far. */
const DISK_FULL_RETRY_MS = 30_000;
const DISK_FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Writes all of `bytes` at the file's end; a single write may take less. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.byteLength - written);
    written += bytesWritten;
  }
}

/** Makes the names in a folder durable: a rename is not before its folder has been synced. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // does not open folders, and journals names by itself
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A full disk as OVERLOADED that says which; anything else as it is. */
export function explainDiskError(error: unknown, folder: string): unknown {
  const code = errorCode(error);
  if (code === undefined || !DISK_FULL.has(code)) return error;
  return new BmsError(
    Reason.OVERLOADED,
    `there is no room on the disk that holds ${folder} (${code}): free some, then try again`,
    { retryAfterMs: DISK_FULL_RETRY_MS, cause: error },
  );
}

function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

/** `promise`, or undefined where the file is not there. */
export async function ifThere<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The code of a system error. It need not be an instance of this realm's Error: jest's file system is of another. */
export function errorCode(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
