import type { Readable } from 'node:stream';

/** What is there of a blob. */
export type BlobState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'partial'; readonly receivedBytes: number }
  | { readonly kind: 'complete'; readonly sizeBytes: number };

/**
 * Holds immutable bytes by their sha256 (64 lower-case hex digits). A blob is there as a whole, on disk and with the right
 * digest, or not at all. One implementation now (`FolderBlobStore`); several processes may share a folder.
 */
export interface BlobStore {
  stat(sha256: string): Promise<BlobState>;

  /**
   * Writes on from `offsetBytes`, which must equal what {@link stat} says (UPLOAD_INTERRUPTED otherwise). Resolves with the bytes
   * received so far: when they are all there they are hashed, and the blob is complete; DIGEST_MISMATCH throws them away. When
   * `chunks` breaks off, what came stays and can be continued. A second writer of the same digest gets CONFLICT.
   */
  write(
    sha256: string,
    sizeBytes: number,
    offsetBytes: number,
    chunks: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number>;

  /** Throws BLOB_NOT_FOUND. */
  read(sha256: string, offsetBytes?: number): Promise<Readable>;

  /** The blob as a file for reading, for those that need random access. Throws BLOB_NOT_FOUND. */
  path(sha256: string): Promise<string>;

  /** Deletes blobs and uploads that `isReferenced` does not claim and that nobody touched for `idleMs`. Answers how many. */
  sweep(isReferenced: (sha256: string) => boolean, idleMs: number): Promise<number>;
}
