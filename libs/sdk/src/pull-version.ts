import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { checkArtifactFiles, makeFolder } from '@bms/artifacts';
import { BmsError, parseModelName, parseVersionNumber, Reason, type adminService, type models } from '@bms/contracts';
import type { Client } from '@bms/transport';
import { BlobDownloader, type DownloadServices } from './download-blob';
import { versionField, type ModelReference } from './model-reference';

/** How far a pull is; `waiting`: it broke off and goes on after a pause. */
export type PullProgress =
  | { readonly phase: 'downloading'; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly phase: 'waiting'; readonly pauseMs: number; readonly reason: string };

export interface PullOptions extends ModelReference {
  /** Where the files go: a folder that is not there yet, or is empty. */
  readonly folder: string;
  readonly onProgress?: (progress: PullProgress) => void;
  /** Aborting it throws CANCELLED and leaves nothing behind. */
  readonly signal?: AbortSignal;
}

export interface PullResult {
  readonly version: models.Version;
  /** The folder, as an absolute path. */
  readonly folder: string;
}

/** What a pull works with. */
export interface PullServices extends DownloadServices {
  readonly tenant: string;
  readonly admin: Client<adminService.AdminServiceDefinition>;
}

/** Gets a version's files back: see `BmsClient.pullVersion`. */
export async function pullVersion(options: PullOptions, services: PullServices): Promise<PullResult> {
  const folder = resolve(options.folder);
  await checkIsFree(folder, options.folder);
  const { signal } = options;
  const ticket = await services.admin.createDownload(
    downloadRequest(options, services.tenant),
    signal === undefined ? {} : { signal },
  );
  const { version } = ticket;
  const files = version?.artifact?.files ?? [];
  if (version === undefined) throw new BmsError(Reason.INTERNAL, 'admin answered without a version');
  checkArtifactFiles(files); // paths that would leave the folder are written nowhere
  // Beside the folder, so that the rename is one step: all files are there, or none.
  const draft = join(dirname(folder), `.${basename(folder)}.pull-${randomUUID()}`);
  try {
    makeDraft(draft, options.folder);
    await downloadInto(draft, files, ticket, options, services);
    await moveInPlace(draft, folder, options.folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return { version, folder };
}

function downloadRequest(reference: ModelReference, tenant: string): adminService.CreateDownloadRequest {
  versionField(reference); // throws where both are given
  const version = reference.version === undefined ? 0n : BigInt(parseVersionNumber(reference.version));
  return { ref: { tenant, model: parseModelName(reference.model), version }, label: reference.label ?? '' };
}

async function downloadInto(
  draft: string,
  files: readonly models.ArtifactFile[],
  ticket: adminService.CreateDownloadResponse,
  { onProgress, signal }: PullOptions,
  services: PullServices,
): Promise<void> {
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
  let doneBytes = 0;
  const advance = (bytes: number): void => {
    doneBytes += bytes;
    onProgress?.({ phase: 'downloading', doneBytes, totalBytes });
  };
  const downloader = new BlobDownloader(
    ticket,
    { onBytes: advance, onPause: (pauseMs, reason) => onProgress?.({ phase: 'waiting', pauseMs, reason }), signal },
    services,
  );
  const there = new Map<string, string>();
  try {
    for (const file of files) {
      const target = join(draft, ...file.path.split('/'));
      await mkdir(dirname(target), { recursive: true });
      const twin = there.get(file.sha256);
      if (twin === undefined) {
        await downloader.download(file, target);
        there.set(file.sha256, target);
      } else {
        await copyFile(twin, target);
        advance(Number(file.sizeBytes));
      }
    }
  } finally {
    downloader.close();
  }
}

/** Throws INVALID_REQUEST where something is at the place already. */
async function checkIsFree(folder: string, shown: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw BmsError.invalidRequest('folder', `${shown} cannot be used (${error.code ?? error.message})`);
  });
  if (names.length > 0) throw occupied(shown);
}

/** Throws INVALID_REQUEST where the file system does not take it. */
function makeDraft(draft: string, shown: string): void {
  try {
    makeFolder(draft);
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw BmsError.invalidRequest('folder', `${shown} cannot be written (${code}): name another one`);
  }
}

async function moveInPlace(draft: string, folder: string, shown: string): Promise<void> {
  await rename(draft, folder).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOTEMPTY' || error.code === 'EEXIST' ? occupied(shown) : error;
  });
}

function occupied(shown: string): BmsError {
  return BmsError.invalidRequest(
    'folder',
    `${shown} is not empty: name a folder that is not there yet, or an empty one`,
  );
}
