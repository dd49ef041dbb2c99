import {
  BATCH_DELAY_MAX_MS,
  BATCH_ROWS_MAX,
  BATCHING_MODES,
  BmsError,
  PREFERRED_ROWS_MAX,
  QUEUE_MAX_MS,
  Reason,
  type models as proto,
} from '@bms/contracts';
import { takesBatches } from '@bms/tensor';
import type { VersionConfigRecord } from '../records/values';

type BatchingRecord = VersionConfigRecord['batching'];

/** All defaults: a version that says nothing. */
const DEFAULTS: BatchingRecord = { mode: '', maxRows: 0, preferredRows: [], maxDelayMs: 0, maxQueueMs: 0 };

/** Checks how requests are to run together; `refuse` is told each wrong field, its value and what is allowed. */
export function checkBatchingConfig(
  given: proto.BatchingConfig | undefined,
  refuse: (field: string, value: string | number, allowed: string) => void,
): BatchingRecord {
  const batching = { ...DEFAULTS, ...given };
  const { mode, maxRows, preferredRows, maxDelayMs, maxQueueMs } = batching;
  const checkCount = (field: string, value: number, max: number, unit: string, zero: string): void => {
    if (value < 0 || value > max) refuse(`batching.${field}`, value, `1 to ${max} ${unit}, or 0 for ${zero}`);
  };
  if (mode !== '' && !(BATCHING_MODES as readonly string[]).includes(mode)) {
    refuse('batching.mode', mode, `one of ${BATCHING_MODES.join(', ')}, or "" for on where the model takes it`);
  }
  checkCount('max_rows', maxRows, BATCH_ROWS_MAX, 'rows', 'the default');
  checkCount('max_delay_ms', maxDelayMs, BATCH_DELAY_MAX_MS, 'ms', 'none');
  checkCount('max_queue_ms', maxQueueMs, QUEUE_MAX_MS, 'ms', 'no bound');
  if (preferredRows.length > PREFERRED_ROWS_MAX) {
    refuse('batching.preferred_rows', preferredRows.length, `at most ${PREFERRED_ROWS_MAX} sizes`);
  }
  const most = maxRows || BATCH_ROWS_MAX;
  const wrong = preferredRows.find((rows) => rows < 1 || rows > most);
  if (wrong !== undefined) refuse('batching.preferred_rows', wrong, `sizes of 1 to ${most} rows`);
  return { mode, maxRows, preferredRows: [...preferredRows], maxDelayMs, maxQueueMs };
}

/** Throws INVALID_CONFIG where batching was asked for and the model's signature does not take it. */
export function checkTakesBatches({ batching }: VersionConfigRecord, signature: proto.Signature): void {
  if (batching.mode !== 'on' || takesBatches(signature)) return;
  const field = 'config.batching.mode';
  const description = '"on" is not allowed: some input or output of the model has no free first dimension';
  throw new BmsError(Reason.INVALID_CONFIG, `${field}: ${description}`, { violations: [{ field, description }] });
}
