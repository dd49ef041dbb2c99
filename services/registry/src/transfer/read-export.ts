import { createReadStream } from 'node:fs';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sha256OfFile } from '@bms/artifacts';
import { StartError, type StartProgress } from '@bms/lifecycle';
import { CorruptValueError } from '../records/value-format';
import { checkRecord } from './check-record';
import { checkRelations } from './check-relations';
import { parseLine, TRANSFERRED, type TransferRecord } from './record-line';
import { blobsOf, totalBytesOf, type ReferredBlob } from './referred-blobs';
import {
  BLOBS_FOLDER,
  MANIFEST_FILE,
  manifestHeadSchema,
  manifestSchema,
  RECORDS_FILE,
  TRANSFER_FORMAT,
  type TransferManifest,
} from './transfer-format';

const MANIFEST_BYTES_MAX = 64 * 1024;

/** An export whose every byte has been checked. */
export interface CheckedExport {
  readonly manifest: TransferManifest;
  readonly records: readonly TransferRecord[];
  readonly blobs: readonly ReferredBlob[];
  /** Where a blob lies. */
  readonly blobPath: (sha256: string) => string;
}

/** Reads and checks all of an export. Throws StartError in one sentence that says what is missing or damaged. */
export async function readExport(
  folder: string,
  onProgress: (step: StartProgress) => void,
  signal: AbortSignal,
): Promise<CheckedExport> {
  const manifest = await readManifest(folder);
  const records = await readRecords(folder, manifest, signal);
  checkAll(folder, records, manifest);
  const blobs = blobsOf(records);
  if (blobs.length !== manifest.blobs.count || totalBytesOf(blobs) !== manifest.blobs.sizeBytes) {
    throw damaged(folder, `its records refer to ${blobs.length} artifacts, its manifest says ${manifest.blobs.count}`);
  }
  const blobPath = (sha256: string): string => join(folder, BLOBS_FOLDER, sha256.slice(0, 2), sha256.slice(2));
  await checkBlobs(folder, blobs, blobPath, onProgress, signal);
  return { manifest, records, blobs, blobPath };
}

async function readManifest(folder: string): Promise<TransferManifest> {
  const path = join(folder, MANIFEST_FILE);
  let parsed: unknown;
  try {
    const sizeBytes = await sizeOf(folder, path, MANIFEST_FILE);
    if (sizeBytes > MANIFEST_BYTES_MAX) {
      throw damaged(folder, `${MANIFEST_FILE} has ${sizeBytes} bytes, at most ${MANIFEST_BYTES_MAX} are allowed`);
    }
    parsed = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new StartError(
        `${folder} holds no complete export: it has no ${MANIFEST_FILE}, which an export writes last`,
      );
    }
    throw damaged(folder, `${MANIFEST_FILE} cannot be read (${code ?? 'it is not JSON'})`, cause);
  }
  const head = manifestHeadSchema.safeParse(parsed);
  if (!head.success) throw damaged(folder, `${MANIFEST_FILE} is not that of an export`);
  if (head.data.format !== TRANSFER_FORMAT) {
    throw new StartError(
      `${folder} was written in format ${head.data.format}, this release reads ${TRANSFER_FORMAT}: import it with the release that wrote it, or a newer one`,
    );
  }
  const whole = manifestSchema.safeParse(parsed);
  if (whole.success) return whole.data;
  const [issue] = whole.error.issues;
  throw damaged(folder, `${MANIFEST_FILE} is wrong at "${issue?.path.join('.') ?? ''}": ${issue?.message ?? ''}`);
}

async function readRecords(folder: string, manifest: TransferManifest, signal: AbortSignal): Promise<TransferRecord[]> {
  const path = join(folder, RECORDS_FILE);
  await checkRecordsFile(folder, path, manifest, signal);
  const records: TransferRecord[] = [];
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      records.push(parseLine(line, records.length + 1));
    }
  } catch (error) {
    if (error instanceof CorruptValueError) throw damaged(folder, `${RECORDS_FILE}: ${error.message}`, error);
    throw error;
  }
  for (const noun of TRANSFERRED) {
    const found = records.filter((record) => record.noun === noun).length;
    if (found === manifest.records[noun]) continue;
    throw damaged(folder, `it has ${found} records of ${noun}, its manifest says ${manifest.records[noun]}`);
  }
  return records;
}

/** Its size comes first: what is not read to its end cannot be told by its digest. */
async function checkRecordsFile(
  folder: string,
  path: string,
  { records }: TransferManifest,
  signal: AbortSignal,
): Promise<void> {
  try {
    const sizeBytes = await sizeOf(folder, path, RECORDS_FILE);
    if (sizeBytes !== records.sizeBytes) {
      throw damaged(folder, `${RECORDS_FILE} has ${sizeBytes} bytes, its manifest says ${records.sizeBytes}`);
    }
    if ((await sha256OfFile(path, signal)) !== records.sha256) {
      throw damaged(folder, `${RECORDS_FILE} has another digest than its manifest says`);
    }
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    throw damaged(folder, `${RECORDS_FILE} cannot be read (${(cause as NodeJS.ErrnoException).code ?? ''})`, cause);
  }
}

function checkAll(folder: string, records: readonly TransferRecord[], { meshId }: TransferManifest): void {
  try {
    for (const record of records) checkRecord(record);
    checkRelations(records, meshId);
  } catch (error) {
    if (error instanceof CorruptValueError) throw damaged(folder, error.message, error);
    throw error;
  }
}

async function checkBlobs(
  folder: string,
  blobs: readonly ReferredBlob[],
  blobPath: (sha256: string) => string,
  onProgress: (step: StartProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  const totalBytes = totalBytesOf(blobs);
  let doneBytes = 0;
  for (const { sha256, sizeBytes, by } of blobs) {
    const path = blobPath(sha256);
    const what = `the artifact ${sha256} of ${by}`;
    const foundBytes = await sizeOf(folder, path, what).catch((cause: unknown) => {
      throw cause instanceof StartError ? cause : damaged(folder, `${what} is missing`, cause);
    });
    if (foundBytes !== sizeBytes) throw damaged(folder, `${what} has ${foundBytes} bytes, and not ${sizeBytes}`);
    const digest = await sha256OfFile(path, signal, (readBytes) =>
      onProgress({ phase: 'checking', doneBytes: doneBytes + readBytes, totalBytes }),
    );
    if (digest !== sha256) throw damaged(folder, `${what} has other bytes than its digest says`);
    doneBytes += sizeBytes;
  }
}

/** Bytes of a regular file. A pipe or a device may never end, and a link may lead to one. Throws what lstat does, StartError. */
async function sizeOf(folder: string, path: string, what: string): Promise<number> {
  const found = await lstat(path);
  if (!found.isFile()) throw damaged(folder, `${what} is not a regular file`);
  return found.size;
}

function damaged(folder: string, what: string, cause?: unknown): StartError {
  return new StartError(`the export in ${folder} is damaged: ${what}; nothing was imported`, { cause });
}
