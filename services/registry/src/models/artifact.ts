import { createHash } from 'node:crypto';
import { posix } from 'node:path';

import { BmsError, Reason, type models as proto } from '@bms/contracts';
import type { OnnxModelInfo } from '@bms/onnx-inspect';
import type { ArtifactRecord } from '../records/values';
import { checkArtifactFiles } from './artifact-files';

const ENTRY_DEFAULT = 'model.onnx';

/** The immutable files of a version, checked. Throws INVALID_REQUEST that names the field, INVALID_MODEL where the files hold no model. */
export function artifactOf(files: readonly proto.ArtifactFile[], entry: string): ArtifactRecord {
  checkArtifactFiles(files);
  const sorted = [...files].sort((one, other) => (one.path < other.path ? -1 : 1));
  return {
    digest: artifactDigest(sorted),
    sizeBytes: sorted.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0),
    entry: entryOf(sorted, entry),
    files: sorted.map(({ path, sizeBytes, sha256 }) => ({ path, sizeBytes: Number(sizeBytes), sha256 })),
  };
}

/** The sha256 over the sorted list of `sha256  path` lines. */
function artifactDigest(sorted: readonly proto.ArtifactFile[]): string {
  const hash = createHash('sha256');
  for (const { sha256, path } of sorted) hash.update(`${sha256}  ${path}\n`);
  return hash.digest('hex');
}

/** The file that is loaded: the one that was named, else the only `.onnx` file of the top folder, else `model.onnx`. */
function entryOf(files: readonly proto.ArtifactFile[], wish: string): string {
  const paths = files.map(({ path }) => path);
  if (wish !== '') {
    if (paths.includes(wish)) return wish;
    throw BmsError.invalidRequest('entry', `${JSON.stringify(wish.slice(0, 100))} is not one of the files`);
  }
  const models = paths.filter((path) => !path.includes('/') && path.toLowerCase().endsWith('.onnx'));
  const [only] = models;
  if (only !== undefined && models.length === 1) return only;
  if (models.includes(ENTRY_DEFAULT)) return ENTRY_DEFAULT;
  const found =
    models.length === 0 ? 'there is no .onnx file in the top folder' : `there are ${models.slice(0, 5).join(', ')}`;
  throw new BmsError(Reason.INVALID_MODEL, `which file is the model? ${found}: name one as the entry`, {
    violations: [{ field: 'entry', description: found }],
  });
}

/** Throws INVALID_MODEL that names the file when weights lie in a file that is missing or too short. */
export function checkExternalData(artifact: ArtifactRecord, { externalData }: OnnxModelInfo): void {
  const folder = posix.dirname(artifact.entry);
  for (const { location, requiredBytes } of externalData) {
    const path = posix.join(folder, location);
    const file = artifact.files.find((one) => one.path === path);
    if (file === undefined) {
      throw new BmsError(
        Reason.INVALID_MODEL,
        `${artifact.entry} keeps weights in ${path}, which is not among the files: push the folder that has both`,
      );
    }
    if (file.sizeBytes < requiredBytes) {
      throw new BmsError(
        Reason.INVALID_MODEL,
        `${path} has ${file.sizeBytes} bytes, but the weights of ${artifact.entry} in it need ${requiredBytes}: the file is cut off or of another model`,
      );
    }
  }
}
