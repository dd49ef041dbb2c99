export * from './blob-store';
export { FolderBlobStore } from './folder-blob-store';
export { sha256OfFile } from './hash-file';
export { checkSha256 } from './sha256';
export {
  ARTIFACT_BYTES_MAX,
  ARTIFACT_FILES_MAX,
  artifactDigest,
  artifactOf,
  checkArtifactFiles,
} from './artifact-files';
export { ARTIFACT_PATH_CHARACTERS_MAX, artifactPathProblem } from './artifact-path';
export { scanArtifact, type ScannedArtifact, type ScannedFile } from './scan-folder';
export { ArtifactCache, type ArtifactCacheOptions, type MaterializedArtifact } from './artifact-cache';
export type { FetchBlob } from './fetch-file';
