import { BmsError, type models } from '@bms/contracts';

const FILES_MAX = 10_000;
const PATH_MAX_CHARACTERS = 1_000;

/** The digests of files with their sizes. Throws INVALID_REQUEST that names the file's field and what is allowed. */
export function blobsOf(files: readonly models.ArtifactFile[]): Readonly<Record<string, number>> {
  if (files.length === 0 || files.length > FILES_MAX) {
    throw BmsError.invalidRequest('files', `has ${files.length} entries: 1 to ${FILES_MAX} are allowed`);
  }
  const paths = new Set<string>();
  const blobs = new Map<string, number>();
  for (const [index, { path, sizeBytes, sha256 }] of files.entries()) {
    const field = `files[${index}]`;
    checkPath(path, `${field}.path`);
    if (paths.has(path)) throw BmsError.invalidRequest(`${field}.path`, `${JSON.stringify(path)} is there twice`);
    paths.add(path);
    if (!/^[0-9a-f]{64}$/.test(sha256)) {
      throw BmsError.invalidRequest(`${field}.sha256`, '64 lower-case hex digits are needed');
    }
    const size = Number(sizeBytes);
    if (size < 0 || !Number.isSafeInteger(size)) {
      throw BmsError.invalidRequest(
        `${field}.size_bytes`,
        `is ${sizeBytes}: 0 to ${Number.MAX_SAFE_INTEGER} is allowed`,
      );
    }
    if ((blobs.get(sha256) ?? size) !== size) {
      throw BmsError.invalidRequest(`${field}.size_bytes`, 'another file with the same sha256 has another size');
    }
    blobs.set(sha256, size);
  }
  return Object.fromEntries(blobs);
}

/** A path within a version: relative, with forward slashes, without steps back. */
function checkPath(path: string, field: string): void {
  const steps = path.split('/');
  const isFine =
    path.length <= PATH_MAX_CHARACTERS &&
    !/[\0-\x1f\\]/.test(path) &&
    steps.every((step) => step !== '' && step !== '.' && step !== '..');
  if (isFine) return;
  const shown = JSON.stringify(path.slice(0, 100));
  throw BmsError.invalidRequest(
    field,
    `${shown} is not allowed: a relative path with forward slashes, without "." and ".." steps`,
  );
}
