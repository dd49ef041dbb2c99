import type { workerService } from '@bms/contracts';
import type { SystemMemory } from './system-memory';

/** Below this, memory that nobody holds is not worth a restart. */
const FRAGMENTED_MIN_BYTES = 1024 ** 3;

/**
 * Measures what each replica costs, by how the process grows while it is loaded and warmed up: a file's size says
 * nothing (80 KB on disk took 256 MB). While several load at once, their common growth is split evenly, so that the
 * sum is right. Unloading gives (almost) nothing back to the system: measured, hence {@link isFragmented}.
 */
export class MemoryLedger {
  private readonly open = new Set<Growth>();
  private lastBytes: number;
  private readonly baselineBytes: number;

  /** @param fragmentedShare of the total: more than this resident and held by no replica is fragmented */
  constructor(
    private readonly memory: SystemMemory,
    private readonly fragmentedShare: number,
  ) {
    this.lastBytes = this.baselineBytes = memory.residentBytes();
  }

  /** Begins to measure one load; `end` answers the bytes. */
  measure(): { end(): number } {
    this.share();
    const growth: Growth = { bytes: 0 };
    this.open.add(growth);
    return {
      end: () => {
        this.share();
        this.open.delete(growth);
        return Math.max(0, Math.round(growth.bytes));
      },
    };
  }

  report(): workerService.Memory {
    return {
      totalBytes: BigInt(this.memory.totalBytes()),
      freeBytes: BigInt(this.freeBytes()),
      residentBytes: BigInt(this.memory.residentBytes()),
    };
  }

  freeBytes(): number {
    const ours = this.memory.totalBytes() - this.memory.residentBytes();
    return Math.max(0, Math.min(ours, this.memory.availableBytes()));
  }

  /** Whether the process keeps much more than its replicas took, so that only a new process could use it. */
  isFragmented(heldByReplicasBytes: number): boolean {
    const looseBytes = this.memory.residentBytes() - this.baselineBytes - heldByReplicasBytes;
    return looseBytes > FRAGMENTED_MIN_BYTES && looseBytes > this.fragmentedShare * this.memory.totalBytes();
  }

  /** Gives the growth since the last look to those that load. */
  private share(): void {
    const nowBytes = this.memory.residentBytes();
    for (const growth of this.open) growth.bytes += (nowBytes - this.lastBytes) / this.open.size;
    this.lastBytes = nowBytes;
  }
}

interface Growth {
  bytes: number;
}
