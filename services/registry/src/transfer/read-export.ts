import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sha256OfFile } from '@bms/artifacts';
import { StartError, type StartProgress } from '@bms/lifecycle';
import { CorruptValueError } from '../records/value-format';
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
  checkRelations(folder, records);
  const blobs = blobsOf(records);
  if (blobs.length !== manifest.blobs.count || totalBytesOf(blobs) !== manifest.blobs.sizeBytes) {
    throw damaged(folder, `its records refer to ${blobs.length} artifacts, its manifest says ${manifest.blobs.count}`);
  }
  const blobPath = (sha256: string): string => join(folder, BLOBS_FOLDER, sha256.slice(0, 2), sha256.slice(2));
  await checkBlobs(folder, blobs, blobPath, onProgress, signal);
  return { manifest, records, blobs, blobPath };
}

async function readManifest(folder: string): Promise<TransferManifest> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(join(folder, MANIFEST_FILE), 'utf8'));
  } catch (cause) {
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
  throw damaged(folder, `${MANIFEST_FILE} is wrong at "${whole.error.issues[0]?.path.join('.') ?? ''}"`);
}

async function readRecords(folder: string, manifest: TransferManifest, signal: AbortSignal): Promise<TransferRecord[]> {
  const path = join(folder, RECORDS_FILE);
  const sha256 = await sha256OfFile(path, signal).catch((cause: unknown) => {
    throw damaged(folder, `${RECORDS_FILE} cannot be read (${(cause as NodeJS.ErrnoException).code ?? ''})`, cause);
  });
  if (sha256 !== manifest.records.sha256) {
    throw damaged(folder, `${RECORDS_FILE} has another digest than its manifest says`);
  }
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

/** Each record is there once, and what it refers to is there, too. */
function checkRelations(folder: string, records: readonly TransferRecord[]): void {
  const present = new Set<string>();
  for (const { key } of records) {
    if (present.has(key)) throw damaged(folder, `${key} is there twice`);
    present.add(key);
  }
  const models = new Set<string>();
  const versions = new Set<string>();
  for (const one of records) {
    if (one.noun === 'models') models.add(`${one.record.tenant}/${one.record.name}`);
    if (one.noun === 'versions') versions.add(`${one.record.tenant}/${one.record.model}@${one.record.version}`);
  }
  for (const one of records) {
    if (one.noun === 'versions' && !models.has(`${one.record.tenant}/${one.record.model}`)) {
      throw damaged(folder, `${one.key} has no model`);
    }
    if (one.noun !== 'models') continue;
    const { tenant, name, activeVersion, labels } = one.record;
    for (const number of [activeVersion, ...Object.values(labels)]) {
      if (number === 0 || versions.has(`${tenant}/${name}@${number}`)) continue;
      throw damaged(folder, `${one.key} names version ${number}, which is missing`);
    }
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
    const found = await stat(path).catch((cause: unknown) => {
      throw damaged(folder, `the artifact ${sha256} of ${by} is missing`, cause);
    });
    const digest = await sha256OfFile(path, signal, (readBytes) =>
      onProgress({ phase: 'checking', doneBytes: doneBytes + readBytes, totalBytes }),
    );
    if (digest !== sha256 || found.size !== sizeBytes) {
      throw damaged(folder, `the artifact ${sha256} of ${by} has other bytes than its digest says`);
    }
    doneBytes += sizeBytes;
  }
}

function damaged(folder: string, what: string, cause?: unknown): StartError {
  return new StartError(`the export in ${folder} is damaged: ${what}; nothing was imported`, { cause });
}
