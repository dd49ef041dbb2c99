import { ManualClock } from '../manual-clock.testkit';
import { DeviceLedger } from './device-ledger';
import { DeviceMeter, SAMPLE_MS } from './device-meter';
import type { GpuReading } from './nvidia-smi';

function setUp() {
  const gpu: { freeBytes: number; answers: boolean } = { freeBytes: 900, answers: true };
  const clock = new ManualClock();
  const reading = (): GpuReading => ({ name: 'A card', totalBytes: 1_000, freeBytes: gpu.freeBytes, busyPercent: 5 });
  const looks: number[] = [];
  const read = async (): Promise<GpuReading | undefined> => {
    looks.push(gpu.freeBytes);
    return gpu.answers ? reading() : undefined;
  };
  const meter = new DeviceMeter(reading(), { read, clock });
  return { gpu, clock, meter, looks };
}

describe('DeviceMeter', () => {
  it('looks now and then, and tells when the free memory has moved much', async () => {
    const { gpu, clock, meter } = setUp();
    let told = 0;
    meter.onMoved(() => told++);
    meter.start();
    gpu.freeBytes = 870;
    await clock.advance(SAMPLE_MS);
    expect([meter.use?.memoryFreeBytes, told]).toEqual([870n, 0]);
    gpu.freeBytes = 500;
    await clock.advance(SAMPLE_MS);
    expect([meter.use?.memoryFreeBytes, told]).toEqual([500n, 1]);
    meter.stop();
  });

  it('says nothing of a device that nobody can read now, and remembers what it knew', async () => {
    const { gpu, meter } = setUp();
    gpu.answers = false;
    await meter.refresh();
    expect([meter.use, meter.lastKnown.freeBytes]).toEqual([undefined, 900]);
  });

  it('shares one look among those that ask at the same time', async () => {
    const { meter, looks } = setUp();
    await Promise.all([meter.refresh(), meter.refresh()]);
    expect(looks).toHaveLength(1);
  });
});

describe('DeviceLedger', () => {
  it('measures a load by how the use of the device grows, and knows what is free', async () => {
    const { gpu, meter } = setUp();
    const ledger = new DeviceLedger(meter);
    const growth = await ledger.measure();
    gpu.freeBytes = 650;
    expect(await growth.end()).toBe(250);
    expect(ledger.freeBytes()).toBe(650);
  });
});
