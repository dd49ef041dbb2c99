import { TRANSACTION_BYTES_MAX } from '@bms/metastore';
import { reportedFormat, type ReportedRecord } from '../records/values';

/** The worker's own record and the keys go into the same transaction. */
const REPORT_BYTES_MAX = TRANSACTION_BYTES_MAX - 100_000;
const SHORTER_REASONS = [200, 40] as const;

/** A report has more replicas than the store can keep in one record. */
export class ReportTooLargeError extends Error {
  override readonly name = 'ReportTooLargeError';
}

/** The report as the store can keep it: its reasons cut shorter where it is too large. Throws {@link ReportTooLargeError}. */
export function fitReport(report: ReportedRecord): ReportedRecord {
  let fitted = report;
  for (const most of SHORTER_REASONS) {
    if (sizeBytes(fitted) <= REPORT_BYTES_MAX) return fitted;
    fitted = {
      ...report,
      replicas: report.replicas.map((replica) => ({ ...replica, reason: replica.reason.slice(0, most) })),
    };
  }
  const bytes = sizeBytes(fitted);
  if (bytes <= REPORT_BYTES_MAX) return fitted;
  throw new ReportTooLargeError(
    `a report of ${report.replicas.length} replicas has ${bytes} bytes: at most ${REPORT_BYTES_MAX} can be kept; ` +
      'what the worker reported before stays until a report fits',
  );
}

function sizeBytes(report: ReportedRecord): number {
  return reportedFormat.encode(report).byteLength;
}
