import { ManualClock } from '../manual-clock.testkit';
import type { ReportedRecord } from '../records/values';
import { MIB } from '../watch/mesh-builder.testkit';
import { reportNews } from './report-filter';
import { MEMORY_INTERVAL_MS, ReportWriter } from './report-writer';

function report(freeMib: number, generation = 1): ReportedRecord {
  return {
    incarnation: 'first',
    deviceFailure: '',
    generation,
    memory: { totalBytes: 1000 * MIB, freeBytes: freeMib * MIB, residentBytes: 100 * MIB },
    replicas: [],
  };
}

/** A writer into a store whose writes the spec ends. */
function writing() {
  const clock = new ManualClock();
  const written: ReportedRecord[] = [];
  const failures: unknown[] = [];
  let end: (error?: Error) => void = () => undefined;
  const writer = new ReportWriter({
    clock,
    write: (one) => {
      written.push(one);
      return new Promise((resolve, reject) => (end = (error) => (error === undefined ? resolve() : reject(error))));
    },
    onFailed: (error) => failures.push(error),
  });
  const finish = async (error?: Error): Promise<void> => {
    end(error);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock, written, failures, writer, finish };
}

describe('reportNews', () => {
  it.each([
    ['the first report', undefined, report(500), 'state'],
    ['another generation', report(500), report(500, 2), 'state'],
    ['the same', report(500), report(500), 'none'],
    ['memory that moved within the noise', report(500), report(495), 'none'],
    ['memory that moved', report(500), report(480), 'memory'],
  ] as const)('%s', (_, stored, next, news) => {
    expect(reportNews(stored, next)).toBe(news);
  });
});

describe('ReportWriter', () => {
  it('writes the first report at once, and the same again not at all', async () => {
    const { written, writer, finish } = writing();
    writer.offer(report(500));
    await finish();
    writer.offer(report(500));
    expect(written).toHaveLength(1);
  });

  it('writes one at a time, and of what came meanwhile the latest alone', async () => {
    const { written, writer, finish } = writing();
    for (const generation of [1, 2, 3, 4]) writer.offer(report(500, generation));
    expect(written.map(({ generation }) => generation)).toEqual([1]);
    await finish();
    expect(written.map(({ generation }) => generation)).toEqual([1, 4]);
  });

  it('gathers measurements, and lets a change of state go at once', async () => {
    const { clock, written, writer, finish } = writing();
    writer.offer(report(500));
    await finish();
    writer.offer(report(400));
    writer.offer(report(300));
    clock.advance(MEMORY_INTERVAL_MS - 1);
    expect(written).toHaveLength(1);
    clock.advance(1);
    expect(written.at(-1)?.memory.freeBytes).toBe(300 * MIB);
    await finish();
    writer.offer(report(300, 2));
    expect(written).toHaveLength(3);
  });

  it('tries again, with the latest, when a write failed', async () => {
    const { clock, written, failures, writer, finish } = writing();
    writer.offer(report(500));
    await finish(new Error('no store'));
    writer.offer(report(500, 2));
    expect(written).toHaveLength(2);
    expect(failures).toHaveLength(1);
    await finish(new Error('no store'));
    clock.advance(500);
    expect(written.map(({ generation }) => generation)).toEqual([1, 2, 2]);
  });

  it('writes nothing more once closed', async () => {
    const { clock, written, writer, finish } = writing();
    writer.offer(report(500));
    await finish();
    writer.offer(report(300));
    writer.close();
    clock.advance(60_000);
    writer.offer(report(300, 2));
    expect(written).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });
});
