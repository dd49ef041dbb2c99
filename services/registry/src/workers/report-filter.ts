import type { ReportedRecord } from '../records/values';

/** What a new report is worth beside the one that is in the store. */
export type ReportNews = 'state' | 'memory' | 'none';

/** Memory that moved by less than this share of the total, or by less than this many bytes, is noise. */
const MEMORY_SHARE = 0.01;
const MEMORY_BYTES = 2 ** 20;

/**
 * `state`: replicas or the generation changed, routes and people wait for it. `memory`: only measurements moved, which
 * placement wants to know some time. Pure.
 */
export function reportNews(stored: ReportedRecord | undefined, report: ReportedRecord): ReportNews {
  if (stored === undefined) return 'state';
  const facts = ({ incarnation, generation, replicas, deviceFailure }: ReportedRecord): string =>
    JSON.stringify([incarnation, generation, replicas, deviceFailure]);
  if (facts(stored) !== facts(report)) return 'state';
  const noise = Math.max(MEMORY_BYTES, report.memory.totalBytes * MEMORY_SHARE);
  const moved = (['totalBytes', 'freeBytes', 'residentBytes'] as const).some(
    (figure) => Math.abs(stored.memory[figure] - report.memory[figure]) > noise,
  );
  return moved || deviceMoved(stored.device, report.device) ? 'memory' : 'none';
}

function deviceMoved(stored: ReportedRecord['device'], report: ReportedRecord['device']): boolean {
  if (stored === undefined || report === undefined) return stored !== report;
  const noise = Math.max(MEMORY_BYTES, report.memoryTotalBytes * MEMORY_SHARE);
  return Math.abs(stored.memoryFreeBytes - report.memoryFreeBytes) > noise;
}
