import { checkSha256 } from '@bms/artifacts';
import { BmsError, type models as proto } from '@bms/contracts';

const FILES_MAX = 10_000;
const PATH_MAX_CHARACTERS = 1_000;

/** Checks the list of a version's files. Throws INVALID_REQUEST that names the file's field and what is allowed. */
export function checkArtifactFiles(files: readonly proto.ArtifactFile[]): void {
  if (files.length === 0 || files.length > FILES_MAX) {
    throw BmsError.invalidRequest('files', `has ${files.length} entries: 1 to ${FILES_MAX} are allowed`);
  }
  const paths = new Set<string>();
  for (const [index, { path, sizeBytes, sha256 }] of files.entries()) {
    const field = `files[${index}]`;
    checkPath(path, `${field}.path`);
    if (paths.has(path)) throw BmsError.invalidRequest(`${field}.path`, `${JSON.stringify(path)} is there twice`);
    paths.add(path);
    checkSha256(sha256, `${field}.sha256`);
    if (sizeBytes < 0n || sizeBytes > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw BmsError.invalidRequest(
        `${field}.size_bytes`,
        `is ${sizeBytes}: 0 to ${Number.MAX_SAFE_INTEGER} is allowed`,
      );
    }
  }
  refuseFilesAsFolders(paths);
}

/** Backslashes and drive letters are harmless here, but a worker may run on another system. */
function checkPath(path: string, field: string): void {
  const steps = path.split('/');
  const isFine =
    path.length <= PATH_MAX_CHARACTERS &&
    !/[\0-\x1f\\:]/.test(path) &&
    steps.every((step) => step !== '' && step !== '.' && step !== '..');
  if (isFine) return;
  throw BmsError.invalidRequest(
    field,
    `${JSON.stringify(path.slice(0, 100))} is not allowed: a relative path with forward slashes, without "." and ".." steps`,
  );
}

/** `a` and `a/b` cannot both be files. */
function refuseFilesAsFolders(paths: ReadonlySet<string>): void {
  for (const path of paths) {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (paths.has(folder)) {
        throw BmsError.invalidRequest(
          'files',
          `${JSON.stringify(folder)} is both a file and the folder of ${JSON.stringify(path)}`,
        );
      }
    }
  }
}
