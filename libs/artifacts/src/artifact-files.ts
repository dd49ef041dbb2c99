import { createHash } from 'node:crypto';
import { BmsError, models, Reason } from '@bms/contracts';
import { artifactPathProblem, comparePaths, pathIdentity, shownPath } from './artifact-path';
import { checkSha256 } from './sha256';

export const ARTIFACT_FILES_MAX = 1_000;
/** 1 TiB. */
export const ARTIFACT_BYTES_MAX = 2 ** 40;

const ENTRY_DEFAULT = 'model.onnx';
const CANDIDATES_SHOWN = 10;

/**
 * The artifact that a list of files makes: files in the order of their paths, the entry chosen (`entry`, where it is not
 * ""; else `model.onnx`, else the only .onnx file of the top folder), the digest computed. Throws what
 * {@link checkArtifactFiles} does, INVALID_REQUEST for an entry that is not among the files, INVALID_MODEL where none can
 * be chosen or it is empty.
 */
export function artifactOf(files: readonly models.ArtifactFile[], entry: string): models.Artifact {
  checkArtifactFiles(files);
  const chosen = entryOf(files, entry);
  if (chosen.sizeBytes === 0n) throw noModel(`${chosen.path} is empty`);
  return models.Artifact.create({
    digest: artifactDigest(files),
    sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n),
    entry: chosen.path,
    files: [...files].sort((one, other) => comparePaths(one.path, other.path)),
  });
}

/** Throws INVALID_REQUEST that names the first file that may not be part of a version, and why. */
export function checkArtifactFiles(files: readonly models.ArtifactFile[]): void {
  if (files.length === 0) throw BmsError.invalidRequest('files', 'at least one file is needed');
  if (files.length > ARTIFACT_FILES_MAX) {
    throw BmsError.invalidRequest('files', `has ${files.length}: at most ${ARTIFACT_FILES_MAX} are allowed`);
  }
  let totalBytes = 0n;
  for (const [index, { path, sizeBytes, sha256 }] of files.entries()) {
    const problem = artifactPathProblem(path);
    if (problem !== undefined) throw BmsError.invalidRequest(`files[${index}].path`, `${shownPath(path)} ${problem}`);
    checkSha256(sha256, `files[${index}].sha256`);
    if (sizeBytes < 0n) {
      throw BmsError.invalidRequest(`files[${index}].size_bytes`, `${sizeBytes} is not allowed: 0 or more`);
    }
    totalBytes += sizeBytes;
  }
  if (totalBytes > BigInt(ARTIFACT_BYTES_MAX)) {
    throw BmsError.invalidRequest('files', `have ${totalBytes} bytes: at most ${ARTIFACT_BYTES_MAX} are allowed`);
  }
  checkLayout(files);
}

/** The sha256 over the sorted list of `sha256  path` lines, as `sha256sum` prints them. */
export function artifactDigest(files: readonly models.ArtifactFile[]): string {
  const lines = files.map(({ sha256, path }) => `${sha256}  ${path}\n`).sort(comparePaths);
  return createHash('sha256').update(lines.join('')).digest('hex');
}

/** Each file has a place of its own, also where the file system ignores case, and none lies inside another. */
function checkLayout(files: readonly models.ArtifactFile[]): void {
  const byIdentity = new Map<string, string>();
  for (const [index, { path }] of files.entries()) {
    const twin = byIdentity.get(pathIdentity(path));
    if (twin !== undefined) {
      const how = twin === path ? 'is there twice' : `differs from ${shownPath(twin)} in upper and lower case only`;
      throw BmsError.invalidRequest(`files[${index}].path`, `${shownPath(path)} ${how}`);
    }
    byIdentity.set(pathIdentity(path), path);
  }
  for (const [index, { path }] of files.entries()) {
    const identity = pathIdentity(path);
    for (let slash = identity.indexOf('/'); slash >= 0; slash = identity.indexOf('/', slash + 1)) {
      const file = byIdentity.get(identity.slice(0, slash));
      if (file === undefined) continue;
      throw BmsError.invalidRequest(
        `files[${index}].path`,
        `${shownPath(path)} lies in ${shownPath(file)}, which is a file`,
      );
    }
  }
}

function entryOf(files: readonly models.ArtifactFile[], wish: string): models.ArtifactFile {
  if (wish !== '') {
    const named = files.find(({ path }) => path === wish);
    if (named !== undefined) return named;
    throw BmsError.invalidRequest('entry', `${shownPath(wish)} is not one of the files`);
  }
  const candidates = files.filter(({ path }) => path.toLowerCase().endsWith('.onnx'));
  const top = candidates.filter(({ path }) => !path.includes('/'));
  const chosen = top.find(({ path }) => path === ENTRY_DEFAULT) ?? (top.length === 1 ? top[0] : undefined);
  if (chosen !== undefined) return chosen;
  if (candidates.length === 0) throw noModel('none of the files is an .onnx file');
  const found = top.length > 0 ? top : candidates;
  const where = top.length > 0 ? 'several .onnx files are' : 'no .onnx file is';
  throw noModel(`${where} in the top folder: name the one to load as the entry, out of ${list(found)}`);
}

function list(files: readonly models.ArtifactFile[]): string {
  const paths = files.map(({ path }) => path).sort(comparePaths);
  const rest = paths.length - CANDIDATES_SHOWN;
  return `${paths.slice(0, CANDIDATES_SHOWN).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function noModel(description: string): BmsError {
  return new BmsError(Reason.INVALID_MODEL, description, { violations: [{ field: 'entry', description }] });
}
