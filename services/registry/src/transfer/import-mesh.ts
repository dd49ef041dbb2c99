import { createReadStream } from 'node:fs';
import type { BlobStore } from '@bms/artifacts';
import { StartError, type StartProgress } from '@bms/lifecycle';
import { OutcomeUnknownError, StoreUnavailableError, type MetaStore, type Transaction } from '@bms/metastore';
import { pause, type Clock } from '../clock';
import type { KeyLayout } from '../records/keys';
import { acceptedFormat } from '../records/values';
import { findGround, howToClear, isFinished } from './import-ground';
import { importMarkerFormat } from './import-marker';
import { readExport, type CheckedExport } from './read-export';
import { putsInTransactions } from './record-batches';
import { totalBytesOf } from './referred-blobs';
import type { TransferManifest } from './transfer-format';

export interface ImportOptions {
  readonly store: MetaStore;
  readonly keys: KeyLayout;
  readonly blobs: BlobStore;
  readonly folder: string;
  readonly clock: Clock;
  readonly onProgress: (step: StartProgress) => void;
}

/** How often a write without an answer is sent again. All of them are fenced and give the same when they happen twice. */
const ATTEMPTS_MAX = 6;
const RETRY_MS = 200;
const READ_BYTES = 1024 * 1024;

/**
 * Brings an export into an empty store: all of it is checked before anything is written, blobs come first, then a marker, then
 * the records behind it, and at last, in one transaction, who the mesh is in place of the marker. A registry that starts in
 * between refuses; an import that broke off goes on when it is run again. Throws StartError in one sentence.
 */
export async function importMesh(options: ImportOptions, signal: AbortSignal): Promise<TransferManifest> {
  const { store, keys, folder, onProgress } = options;
  await findGround(store, keys, undefined, signal); // before much is read
  const checked = await readExport(folder, onProgress, signal);
  await findGround(store, keys, checked.manifest.records.sha256, signal);
  await copyBlobs(checked, options, signal);
  const fence = await begin(checked.manifest, options, signal);
  const records = checked.records.filter(({ noun }) => noun !== 'mesh');
  for (const writes of putsInTransactions(records, keys.prefix)) {
    await commitFenced({ compares: [fence], writes }, options, signal, async () => false);
  }
  await finish(checked, fence, options, signal);
  return checked.manifest;
}

async function copyBlobs(
  { blobs, blobPath }: CheckedExport,
  { blobs: target, onProgress }: ImportOptions,
  signal: AbortSignal,
): Promise<void> {
  const totalBytes = totalBytesOf(blobs);
  let doneBytes = 0;
  for (const { sha256, sizeBytes } of blobs) {
    const state = await target.stat(sha256);
    if (state.kind !== 'complete') {
      const start = state.kind === 'partial' ? state.receivedBytes : 0;
      const report = (readBytes: number): void =>
        onProgress({ phase: 'copying', doneBytes: doneBytes + start + readBytes, totalBytes });
      await target.write(sha256, sizeBytes, start, chunksOf(blobPath(sha256), start, report), signal);
    }
    doneBytes += sizeBytes;
  }
}

type Fence = { readonly key: string; readonly createRevision: bigint };

/** Puts the marker, or finds that of the try before; answers with what holds while it is there. */
async function begin(manifest: TransferManifest, options: ImportOptions, signal: AbortSignal): Promise<Fence> {
  const { store, keys, clock } = options;
  const { sha256 } = manifest.records;
  const value = importMarkerFormat.encode({ recordsSha256: sha256, startedAtMs: clock.nowMs() });
  const transaction: Transaction = {
    compares: [keys.importing(), keys.mesh()].map((key) => ({ key, is: 'absent' }) as const),
    writes: [{ put: keys.importing(), value }],
  };
  for (let attempt = 1; ; attempt++) {
    const ground = await findGround(store, keys, sha256, signal);
    if (ground.kind === 'begun') return { key: keys.importing(), createRevision: ground.markerRevision };
    await commitOnce(transaction, attempt, options, signal);
  }
}

/** The mesh's registries know by the raised epoch that this store is meant, whatever they followed before. */
async function finish(
  { manifest, records }: CheckedExport,
  fence: Fence,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<void> {
  const { store, keys, clock } = options;
  const mesh = records.find(({ noun }) => noun === 'mesh');
  if (mesh === undefined) throw new Error('a checked export has a mesh record');
  const accepted = acceptedFormat.encode({
    epoch: manifest.epoch + 1,
    clusterId: store.clusterId,
    revision: manifest.store.revision,
    atMs: clock.nowMs(),
    by: 'bms store import',
  });
  const transaction: Transaction = {
    compares: [fence, { key: keys.mesh(), is: 'absent' }],
    writes: [
      { put: keys.mesh(), value: mesh.value },
      { put: keys.accepted(), value: accepted },
      { delete: keys.importing() },
    ],
  };
  await commitFenced(transaction, options, signal, () => isFinished(store, keys, manifest.meshId, signal));
}

/** Resolves once it is written. `happened` tells, where the answer to a try was lost, whether it was that one. */
async function commitFenced(
  transaction: Transaction,
  options: ImportOptions,
  signal: AbortSignal,
  happened: () => Promise<boolean>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await commitOnce(transaction, attempt, options, signal);
    if (outcome === 'written') return;
    if (outcome === 'unknown') continue;
    if (attempt > 1 && (await happened())) return;
    const { store, keys } = options;
    throw new StartError(
      `somebody else has changed the keys under ${keys.prefix} during the import: ${howToClear(store, keys)}`,
    );
  }
}

/** Pauses where the store did not say. Throws StartError after the last attempt. */
async function commitOnce(
  transaction: Transaction,
  attempt: number,
  { store, clock }: ImportOptions,
  signal: AbortSignal,
): Promise<'written' | 'refused' | 'unknown'> {
  try {
    return (await store.commit(transaction, signal)).succeeded ? 'written' : 'refused';
  } catch (error) {
    if (!(error instanceof OutcomeUnknownError) && !(error instanceof StoreUnavailableError)) throw error;
    if (attempt >= ATTEMPTS_MAX || signal.aborted) {
      throw new StartError('the store does not answer any more: run the import again, and it goes on', {
        cause: error,
        mayHelpToWait: true,
      });
    }
    await pause(clock, RETRY_MS * 2 ** attempt, signal);
    return 'unknown';
  }
}

async function* chunksOf(path: string, start: number, onRead: (readBytes: number) => void): AsyncIterable<Uint8Array> {
  let readBytes = 0;
  for await (const chunk of createReadStream(path, { start, highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>) {
    yield chunk;
    readBytes += chunk.byteLength;
    onRead(readBytes);
  }
}
