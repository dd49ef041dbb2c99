import type { TransferRecord } from './record-line';

/** One content that versions refer to. */
export interface ReferredBlob {
  readonly sha256: string;
  readonly sizeBytes: number;
  /** `default/digits@2 model.onnx`: one of those that refer to it. */
  readonly by: string;
}

/** The blobs of all versions that are not deleted, each once, in the order of their digests. */
export function blobsOf(records: readonly TransferRecord[]): readonly ReferredBlob[] {
  const blobs = new Map<string, ReferredBlob>();
  for (const one of records) {
    if (one.noun !== 'versions' || one.record.state === 'deleted') continue;
    const { tenant, model, version, artifact } = one.record;
    for (const { path, sha256, sizeBytes } of artifact.files) {
      blobs.set(sha256, { sha256, sizeBytes, by: `${tenant}/${model}@${version} ${path}` });
    }
  }
  return [...blobs.values()].sort((one, other) => (one.sha256 < other.sha256 ? -1 : 1));
}

export function totalBytesOf(blobs: readonly ReferredBlob[]): number {
  return blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
