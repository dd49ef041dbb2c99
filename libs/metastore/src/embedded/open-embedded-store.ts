import { lockFolder, StartError } from '@bms/lifecycle';
import { systemClock, type Clock } from '../clock';
import { ChangeBell } from './change-bell';
import { EmbeddedMetaStore } from './embedded-meta-store';
import { LeaseTable } from './lease-table';
import { openTables, type LmdbTables } from './lmdb-tables';
import { leaseKeyId } from './record-codec';
import { WriteQueue } from './write-queue';

export interface EmbeddedStoreOptions {
  /** Belongs to this store alone; made when missing. */
  readonly folder: string;
  /** Who owns the folder, as told to others that want it; `registry` by default. */
  readonly program?: string;
  /** What leases run on; the system's monotonic clock by default. */
  readonly clock?: Clock;
  /** How many revisions can be read and watched back; 10,000 by default. */
  readonly historyRevisions?: number;
  /** How large the history may grow, whatever its revisions; 256 MiB by default. */
  readonly historyBytes?: number;
  /** For tests: called when writes are durable and not yet answered; throwing there loses the answers. */
  readonly beforeAnswers?: () => void;
}

const HISTORY_REVISIONS = 10_000;
const HISTORY_BYTES = 256 * 1_024 * 1_024;

/**
 * Opens the store in a folder, or makes one. Throws FolderTakenError where another process has it, and StartError where
 * the folder cannot be used or a newer BMS wrote it.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedMetaStore> {
  const lock = takeFolder(options.folder, options.program ?? 'registry');
  try {
    const { tables, clusterId } = await openTables(options.folder);
    const bell = new ChangeBell();
    const limits = {
      revisions: Math.max(1, options.historyRevisions ?? HISTORY_REVISIONS),
      bytes: options.historyBytes ?? HISTORY_BYTES,
    };
    const beforeAnswers = options.beforeAnswers ?? (() => undefined);
    const queue = new WriteQueue(tables, limits, () => bell.ring(), beforeAnswers);
    const leases: LeaseTable = new LeaseTable(options.clock ?? systemClock, (leaseId) =>
      queue
        .run(
          (writer) => {
            if (!leases.isDue(leaseId)) return false; // somebody has taken it over
            writer.endLease(leaseId);
            return true;
          },
          undefined,
          (ended) => {
            if (ended) leases.remove(leaseId);
          },
        )
        .then(() => undefined),
    );
    for (const [leaseId, ttlMs] of knownLeases(tables)) leases.add(leaseId, ttlMs);
    return new EmbeddedMetaStore({ clusterId, tables, queue, leases, bell, unlock: () => lock.release() });
  } catch (error) {
    lock.release();
    throw error;
  }
}

function takeFolder(folder: string, program: string): { release(): void } {
  try {
    return lockFolder(folder, program);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new StartError(`the folder ${folder} cannot be used (${code}): choose another with --data`, { cause: error });
  }
}

function knownLeases({ leases }: LmdbTables): [bigint, number][] {
  return [...leases.getRange()].map(({ key, value }) => [leaseKeyId(key), Number(value.readBigUInt64BE())]);
}
