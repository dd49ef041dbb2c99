import { Reason, workerService } from '@bms/contracts';
import { reportRecord, workerFacts } from './worker-messages';

const hello = (over: Partial<workerService.WorkerHello>): workerService.WorkerHello =>
  workerService.WorkerHello.create({ workerId: 'w1', incarnation: 'first', address: 'w1:8800', ...over });

describe('workerFacts', () => {
  it.each([
    ['hello.pid', { pid: 2n ** 60n }],
    ['hello.started_at_ms', { startedAtMs: 2n ** 60n }],
    ['hello.device.memory_bytes', { device: workerService.Device.create({ memoryBytes: 2n ** 62n }) }],
    ['hello.incarnation', { incarnation: 'x'.repeat(3_000) }],
    ['hello.address', { address: `${'x'.repeat(3_000)}:1` }],
  ])('refuses %s out of bounds by its name', (field, over) => {
    expect(() => workerFacts(hello(over))).toThrow(
      expect.objectContaining({ reason: Reason.INVALID_REQUEST, message: expect.stringContaining(field) as string }),
    );
  });

  it('cuts a text that only people read', () => {
    const device = workerService.Device.create({ name: 'x'.repeat(3_000_000) });
    expect(workerFacts(hello({ device })).device.name).toHaveLength(256);
  });
});

describe('reportRecord', () => {
  const record = (memory: Partial<workerService.Memory>) =>
    reportRecord('first', workerService.WorkerReport.create({ memory: workerService.Memory.create(memory) }));

  it.each([
    ['report.memory.total_bytes', { totalBytes: -1n }],
    ['report.memory.free_bytes', { freeBytes: -5n }],
    ['report.memory.resident_bytes', { residentBytes: 2n ** 62n }],
  ])('refuses %s out of bounds by its name', (field, memory) => {
    expect(() => record(memory)).toThrow(
      expect.objectContaining({ reason: Reason.INVALID_REQUEST, message: expect.stringContaining(field) as string }),
    );
  });
});
