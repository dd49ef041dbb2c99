import { MemoryLedger } from '../lifecycle/memory-ledger';
import type { Growth, ReplicaMemory } from '../lifecycle/replica-start';
import type { DeviceMeter } from './device-meter';

/**
 * Measures what each replica takes of a device's own memory, by how its use grows meanwhile. What other processes take there
 * at the same time counts as the replica's: too much is safer than too little.
 */
export class DeviceLedger implements ReplicaMemory {
  private readonly ledger: MemoryLedger;

  constructor(private readonly meter: DeviceMeter) {
    const memory = {
      totalBytes: () => meter.lastKnown.totalBytes,
      availableBytes: () => meter.lastKnown.freeBytes,
      residentBytes: () => meter.lastKnown.totalBytes - meter.lastKnown.freeBytes,
    };
    // No new process gives back what others hold, so that nothing here counts as fragmented.
    this.ledger = new MemoryLedger(memory, 1);
  }

  async measure(): Promise<Growth> {
    await this.meter.refresh();
    const growth = this.ledger.measure();
    return {
      end: async () => {
        await this.meter.refresh();
        return growth.end();
      },
    };
  }

  freeBytes(): number {
    return this.ledger.freeBytes();
  }
}
