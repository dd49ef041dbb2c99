import type { workerService } from '@bms/contracts';
import type { Clock } from '../clock';
import type { GpuReading } from './nvidia-smi';

/** How often a device is looked at. */
export const SAMPLE_MS = 5_000;
/** What part of its memory must have moved to be worth a report. */
const MOVED_SHARE = 0.05;

export interface DeviceMeterParts {
  /** undefined: nobody can say now. */
  readonly read: (signal: AbortSignal) => Promise<GpuReading | undefined>;
  readonly clock: Pick<Clock, 'wait'>;
}

/** Looks at a device with memory of its own, now and then and when asked; who wants to know reads the last look. */
export class DeviceMeter {
  private reading: GpuReading | undefined;
  private known: GpuReading;
  private toldFreeBytes: number;
  private looking: Promise<void> | undefined;
  private readonly stopping = new AbortController();
  private readonly listeners = new Set<() => void>();

  /** @param first a look that was taken already */
  constructor(
    first: GpuReading,
    private readonly parts: DeviceMeterParts,
  ) {
    this.reading = this.known = first;
    this.toldFreeBytes = first.freeBytes;
  }

  /** The last look; undefined where that failed. */
  get use(): workerService.DeviceUse | undefined {
    return (
      this.reading && {
        memoryTotalBytes: BigInt(this.reading.totalBytes),
        memoryFreeBytes: BigInt(this.reading.freeBytes),
        busyPercent: this.reading.busyPercent,
      }
    );
  }

  /** The last look that did not fail. */
  get lastKnown(): GpuReading {
    return this.known;
  }

  /** Calls `listener` when the free memory has moved much since the last call. */
  onMoved(listener: () => void): void {
    this.listeners.add(listener);
  }

  start(): void {
    void this.sample();
  }

  stop(): void {
    this.stopping.abort();
  }

  /** Looks now; calls at the same time share one look. */
  async refresh(): Promise<void> {
    this.looking ??= this.look().finally(() => (this.looking = undefined));
    return this.looking;
  }

  private async look(): Promise<void> {
    this.reading = await this.parts.read(this.stopping.signal);
    if (this.reading === undefined) return;
    this.known = this.reading;
    const { freeBytes, totalBytes } = this.reading;
    if (Math.abs(freeBytes - this.toldFreeBytes) <= MOVED_SHARE * totalBytes) return;
    this.toldFreeBytes = freeBytes;
    for (const listener of this.listeners) listener();
  }

  private async sample(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.parts.clock.wait(SAMPLE_MS, signal);
      if (!signal.aborted) await this.refresh();
    }
  }
}
