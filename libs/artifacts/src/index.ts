export * from './blob-store';
export { FolderBlobStore } from './folder-blob-store';
export { sha256OfFile } from './hash-file';
export { makeFolder } from './make-folder';
export { artifactOf, checkArtifactFiles } from './artifact-files';
export { scanArtifact, type ScannedArtifact, type ScannedFile } from './scan-folder';
export { ArtifactCache, type ArtifactCacheOptions, type MaterializedArtifact } from './artifact-cache';
export type { FetchBlob } from './fetch-file';
