import { TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX, type Write } from '@bms/metastore';
import type { TransferRecord } from './record-line';

/** One operation is the compare that fences a transaction. */
const WRITES_MAX = TRANSACTION_OPERATIONS_MAX - 1;
/** Of one transaction, and so of one record; leaves room for what the wire adds. */
export const BATCH_BYTES_MAX = TRANSACTION_BYTES_MAX - 100_000;

/** The writes that put records under a prefix, in as few transactions as the store's limits allow. */
export function putsInTransactions(records: readonly TransferRecord[], prefix: string): readonly (readonly Write[])[] {
  const batches: Write[][] = [];
  let batch: Write[] = [];
  let bytes = 0;
  for (const { key, value } of records) {
    const put = `${prefix}${key}`;
    const size = Buffer.byteLength(put) + value.byteLength;
    if (batch.length === WRITES_MAX || (batch.length > 0 && bytes + size > BATCH_BYTES_MAX)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push({ put, value });
    bytes += size;
  }
  return batch.length === 0 ? batches : [...batches, batch];
}
