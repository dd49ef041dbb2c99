import { createHash } from 'node:crypto';
import { copyFile, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder, sha256OfFile, type BlobStore } from '@bms/artifacts';
import { BmsError, Reason } from '@bms/contracts';
import { StartError, writeDurably, type StartProgress } from '@bms/lifecycle';
import type { MetaStore } from '@bms/metastore';
import { SettingsError } from '@bms/settings';
import type { KeyLayout } from '../records/keys';
import { acceptedFormat } from '../records/values';
import { importUnderWay } from './import-marker';
import { lineOf, recordOf, TRANSFERRED, type TransferRecord } from './record-line';
import { blobsOf, totalBytesOf, type ReferredBlob } from './referred-blobs';
import {
  BLOBS_FOLDER,
  MANIFEST_FILE,
  RECORDS_FILE,
  TRANSFER_FORMAT,
  UNFINISHED_FILE,
  type TransferManifest,
} from './transfer-format';

export interface ExportOptions {
  readonly store: MetaStore;
  readonly keys: KeyLayout;
  readonly blobs: BlobStore;
  /** Where it goes: a folder that is not there yet, is empty, or holds an export that broke off. */
  readonly folder: string;
  readonly bmsVersion: string;
  readonly nowMs: number;
  readonly onProgress: (step: StartProgress) => void;
}

/**
 * Writes a mesh into a folder: its records at one revision of the store, and the blobs that its versions refer to, each
 * checked against its digest where it then lies. The manifest is written last, so that what breaks off is no export and is
 * gone on with. Throws StartError in one sentence, NewerStoreError, CorruptValueError and what the store throws.
 */
export async function exportMesh(options: ExportOptions, signal: AbortSignal): Promise<TransferManifest> {
  const { store, keys, folder } = options;
  const { entries, revision } = await store.range({ prefix: keys.prefix }, { signal });
  const underWay = importUnderWay(entries, keys);
  if (underWay !== undefined) throw new StartError(underWay);
  const records = entries.flatMap((entry) => recordOf(entry, keys.prefix) ?? []);
  const mesh = records.find((one) => one.noun === 'mesh');
  if (mesh === undefined)
    throw new StartError(`the store holds no mesh under ${keys.prefix}: there is nothing to export`);
  await takeFolder(folder);
  const blobs = blobsOf(records);
  await placeBlobs(blobs, options, signal);
  const accepted = entries.find(({ key }) => key === keys.accepted());
  const manifest: TransferManifest = {
    kind: 'bms-export',
    format: TRANSFER_FORMAT,
    bmsVersion: options.bmsVersion,
    exportedAtMs: options.nowMs,
    meshId: mesh.record.id,
    store: { kind: store.kind, clusterId: store.clusterId, revision: String(revision), prefix: keys.prefix },
    epoch: accepted === undefined ? 0 : acceptedFormat.decode(accepted.value, accepted.key).epoch,
    records: await writeRecords(records, folder),
    blobs: { count: blobs.length, sizeBytes: totalBytesOf(blobs) },
  };
  writeDurably(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  await rm(join(folder, UNFINISHED_FILE), { force: true });
  return manifest;
}

/** Throws SettingsError where the folder holds anything but an export that broke off. */
async function takeFolder(folder: string): Promise<void> {
  try {
    makeFolder(folder);
    const names = await readdir(folder);
    if (names.length > 0 && !(names.includes(UNFINISHED_FILE) && !names.includes(MANIFEST_FILE))) {
      throw new SettingsError(
        `${folder} is not empty: name a folder that is not there yet, or an empty one; nothing was changed`,
      );
    }
    writeDurably(
      join(folder, UNFINISHED_FILE),
      'An export is being written here, or broke off: run it again to go on.\n',
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new SettingsError(`the folder ${folder} cannot be written (${code}): name another one`, { cause: error });
  }
}

async function placeBlobs(
  blobs: readonly ReferredBlob[],
  { blobs: source, folder, onProgress }: ExportOptions,
  signal: AbortSignal,
): Promise<void> {
  const totalBytes = totalBytesOf(blobs);
  let doneBytes = 0;
  for (const blob of blobs) {
    const target = join(folder, BLOBS_FOLDER, blob.sha256.slice(0, 2), blob.sha256.slice(2));
    await mkdir(dirname(target), { recursive: true });
    const from = await source.path(blob.sha256).catch((error: unknown) => {
      if (!BmsError.is(error, Reason.BLOB_NOT_FOUND)) throw error;
      throw new StartError(
        `the artifact ${blob.sha256} of ${blob.by} is not in the folder of the artifacts (--blobs): ` +
          'put it back, or delete that version, then export again',
      );
    });
    await placeOne(from, target);
    const sha256 = await sha256OfFile(target, signal, (readBytes) =>
      onProgress({ phase: 'exporting', doneBytes: doneBytes + readBytes, totalBytes }),
    );
    if (sha256 !== blob.sha256) {
      await rm(target);
      throw new StartError(
        `the artifact ${blob.sha256} of ${blob.by} is damaged: its bytes have another digest; push that version again, or delete it`,
      );
    }
    doneBytes += blob.sizeBytes;
  }
}

/** A link where the file system has one: blobs never change. */
async function placeOne(from: string, target: string): Promise<void> {
  await rm(target, { force: true });
  try {
    await link(from, target);
    return;
  } catch {
    // another file system, or one without links
  }
  await copyFile(from, target);
  const file = await open(target, 'r+');
  await file.sync().finally(() => file.close());
}

async function writeRecords(records: readonly TransferRecord[], folder: string): Promise<TransferManifest['records']> {
  const hash = createHash('sha256');
  const path = join(folder, RECORDS_FILE);
  const file = await open(path, 'w');
  try {
    for (const record of records) {
      const line = `${lineOf(record)}\n`;
      hash.update(line);
      await file.writeFile(line);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  const counts = Object.fromEntries(
    TRANSFERRED.map((noun) => [noun, records.filter((record) => record.noun === noun).length]),
  ) as Omit<TransferManifest['records'], 'sha256' | 'sizeBytes'>;
  return { sha256: hash.digest('hex'), sizeBytes: (await stat(path)).size, ...counts };
}
