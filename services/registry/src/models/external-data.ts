import { posix } from 'node:path';
import { BmsError, Reason } from '@bms/contracts';
import type { OnnxModelInfo } from '@bms/onnx-inspect';
import type { ArtifactRecord } from '../records/values';

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
