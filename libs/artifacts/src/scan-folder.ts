import type { Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { BmsError, Reason } from '@bms/contracts';
import { ARCHIVE_HEAD_BYTES, archiveFormat } from './archive-format';
import { ARTIFACT_BYTES_MAX, ARTIFACT_FILES_MAX } from './artifact-files';
import { artifactPathProblem, comparePaths } from './artifact-path';
import { errorCode } from './durable-file';

/** A file that is to be part of a version. */
export interface ScannedFile {
  /** Its path within the version: relative, with forward slashes. */
  readonly path: string;
  /** Where it is on this machine, absolute. */
  readonly file: string;
  readonly sizeBytes: number;
}

export interface ScannedArtifact {
  /** The absolute folder that the files' paths start from. */
  readonly root: string;
  /** In the order of their paths. Nothing is left out in silence. */
  readonly files: readonly ScannedFile[];
}

/**
 * What a person means by a path to push: a file, or all of a folder. Throws INVALID_MODEL that names the file, the reason
 * and the remedy for links, devices, archives, empty files, empty folders, names that no other system could take, and more than a
 * version may hold; INVALID_REQUEST for a path that is not there or cannot be read.
 */
export async function scanArtifact(path: string, signal?: AbortSignal): Promise<ScannedArtifact> {
  signal?.throwIfAborted();
  const root = resolve(path);
  const stats = await reading(path, () => lstat(root));
  if (stats.isDirectory()) {
    const files: ScannedFile[] = [];
    await scanFolder(root, '', files, signal);
    if (files.length === 0) throw refused(path, 'is an empty folder: push one that holds an .onnx file');
    checkTotal(path, files);
    return { root, files: files.sort((one, other) => comparePaths(one.path, other.path)) };
  }
  await requirePlainFile(path, root, stats);
  if (stats.size === 0) throw refused(path, 'is empty');
  await refuseArchive(path, root);
  const file = { path: basename(root), file: root, sizeBytes: stats.size };
  checkPath(file.path);
  checkTotal(path, [file]);
  return { root: dirname(root), files: [file] };
}

async function scanFolder(root: string, folder: string, files: ScannedFile[], signal?: AbortSignal): Promise<void> {
  for (const name of await reading(folder || root, () => readdir(join(root, folder)))) {
    signal?.throwIfAborted();
    const path = folder === '' ? name : `${folder}/${name}`;
    checkPath(path);
    const file = join(root, folder, name);
    const stats = await reading(path, () => lstat(file));
    if (stats.isDirectory()) {
      await scanFolder(root, path, files, signal);
      continue;
    }
    await requirePlainFile(path, file, stats);
    files.push({ path, file, sizeBytes: stats.size });
    if (files.length > ARTIFACT_FILES_MAX) {
      throw refused(root, `holds more than ${ARTIFACT_FILES_MAX} files: push the folder that has the model alone`);
    }
  }
}

function checkPath(path: string): void {
  if (path.includes('\ufffd')) throw refused(path, 'has a name that is not valid UTF-8: rename it');
  const problem = artifactPathProblem(path);
  if (problem !== undefined) throw refused(path, `${problem}: rename it`);
}

/** Links are refused: what they lead to may lie outside, differ elsewhere, or change behind the version's back. */
async function requirePlainFile(path: string, file: string, stats: Stats): Promise<void> {
  if (stats.isSymbolicLink()) {
    const target = await readlink(file).catch(() => '?');
    throw refused(path, `is a link to ${target}: put the file itself in its place (cp -L follows links)`);
  }
  if (!stats.isFile()) throw refused(path, `is ${kindOf(stats)}: only files and folders can be pushed`);
  if (stats.nlink > 1) {
    throw refused(
      path,
      `is a hard link, one of ${stats.nlink} names of the same bytes, which could be changed by another name: put a copy in its place`,
    );
  }
}

function kindOf(stats: Stats): string {
  if (stats.isSocket()) return 'a socket';
  if (stats.isFIFO()) return 'a pipe';
  return 'a device';
}

async function refuseArchive(path: string, file: string): Promise<void> {
  const head = await reading(path, async () => {
    const handle = await open(file, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(ARCHIVE_HEAD_BYTES), 0, ARCHIVE_HEAD_BYTES, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  });
  const format = archiveFormat(head);
  if (format !== undefined) throw refused(path, `is ${format}: unpack it and push the folder`);
}

function checkTotal(path: string, files: readonly ScannedFile[]): void {
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (totalBytes > ARTIFACT_BYTES_MAX) {
    throw refused(path, `has ${totalBytes} bytes: at most ${ARTIFACT_BYTES_MAX} are allowed`);
  }
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    const why =
      code === 'ENOENT' || code === 'ENOTDIR' ? 'there is no such file or folder' : `cannot be read (${code})`;
    throw BmsError.invalidRequest(path, why);
  }
}

function refused(path: string, why: string): BmsError {
  return new BmsError(Reason.INVALID_MODEL, `${path} ${why}`, { violations: [{ field: path, description: why }] });
}
