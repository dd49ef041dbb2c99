export * from './blob-store';
export { FolderBlobStore } from './folder-blob-store';
export { sha256OfFile } from './hash-file';
export { checkSha256 } from './sha256';
