import { assertNever, type routeService, type VersionId } from '@bms/contracts';
import type { VersionEntry } from '../catalog/route-table';
import type { Outcome } from './call-outcome';

interface Counts {
  readonly version: VersionEntry;
  readonly workerId: string;
  answered: bigint;
  failed: bigint;
  rejected: bigint;
}

/** Calls since the router's start per version and worker, each once, by its final outcome and the last worker that had it. */
export class CallTotals {
  private readonly counts = new Map<`${VersionId} ${string}`, Counts>();

  /** @param workerId "" for a call that reached no worker */
  count(version: VersionEntry, workerId: string, outcome: Outcome): void {
    if (outcome === 'cancelled') return;
    const counts = this.countsOf(version, workerId);
    switch (outcome) {
      case 'answered':
        counts.answered++;
        break;
      case 'failed':
        counts.failed++;
        break;
      case 'rejected':
        counts.rejected++;
        break;
      default:
        assertNever(outcome);
    }
  }

  toMessage(): routeService.RouterTotals {
    return {
      versions: [...this.counts.values()].map(({ version, workerId, answered, failed, rejected }) => ({
        ref: { tenant: version.tenant, model: version.model, version: BigInt(version.version) },
        workerId,
        calls: { answered, failed, rejected },
      })),
    };
  }

  private countsOf(version: VersionEntry, workerId: string): Counts {
    const key = `${version.id} ${workerId}` as const;
    let counts = this.counts.get(key);
    if (counts === undefined) {
      counts = { version, workerId, answered: 0n, failed: 0n, rejected: 0n };
      this.counts.set(key, counts);
    }
    return counts;
  }
}
