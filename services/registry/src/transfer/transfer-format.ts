import { z } from 'zod';

/** Raised when a folder that this release writes could not be read by the one before. */
export const TRANSFER_FORMAT = 1;

export const MANIFEST_FILE = 'manifest.json';
export const RECORDS_FILE = 'records.jsonl';
/** Laid out as the registry's own folder of blobs. */
export const BLOBS_FOLDER = 'blobs';
/** Lies in a folder while it is being written: it may be written on, and is no export yet. */
export const UNFINISHED_FILE = 'UNFINISHED';

const count = z.number().int().nonnegative();
/** Each acceptance by a person raises it by one: far more than there can have been, and far from where numbers end. */
const EPOCH_MAX = 2 ** 31;

/**
 * What an export holds: `records.jsonl`, a line of JSON for each record, and `blobs/ab/cdef…` for each sha256 `abcdef…` that
 * a version refers to. Written last: a folder without a manifest is no export.
 */
export type TransferManifest = z.infer<typeof manifestSchema>;
export const manifestSchema = z.object({
  kind: z.literal('bms-export'),
  format: z.literal(TRANSFER_FORMAT),
  bmsVersion: z.string(),
  exportedAtMs: count,
  meshId: z.string().min(1),
  /** Where it came from, and the one revision that it is of. */
  store: z.object({ kind: z.string(), clusterId: z.string(), revision: z.string(), prefix: z.string() }),
  /** Of the last acceptance in that store; 0: there was none. */
  epoch: count.max(EPOCH_MAX),
  records: z.object({
    sha256: z.string().length(64),
    sizeBytes: count,
    mesh: z.literal(1),
    models: count,
    versions: count,
    requests: count,
    desired: count,
  }),
  blobs: z.object({ count, sizeBytes: count }),
});

/** Reads the head of any release's manifest, to say which release is needed. */
export const manifestHeadSchema = z.looseObject({ kind: z.literal('bms-export'), format: z.number().int() });
