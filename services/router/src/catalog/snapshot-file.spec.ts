import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RouteTable } from './route-table';
import { modelRoute, routeSnapshot, workerRoute } from './routes.testkit';
import { SnapshotFile } from './snapshot-file';

const tableOf = (revision: number): RouteTable =>
  RouteTable.of(routeSnapshot(revision, [modelRoute('digits', [{ version: 1, ready: ['w1'] }])], [workerRoute('w1')]));

describe('SnapshotFile', () => {
  let folder: string;
  const events = { onUnreadable: jest.fn(), onWriteFailed: jest.fn() };
  const open = (): SnapshotFile => new SnapshotFile(folder, events);
  const file = (): string => join(folder, 'routes.binpb');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bms-router-'));
    jest.clearAllMocks();
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('has nothing to begin with, and says nothing of it', () => {
    expect(open().load()).toBeUndefined();
    expect(events.onUnreadable).not.toHaveBeenCalled();
  });

  it('gives back what was saved, also to another process', async () => {
    const first = open();
    first.save(tableOf(5));
    await first.flushed();
    expect(open().load()).toEqual(tableOf(5));
    expect(readdirSync(folder)).toEqual(['routes.binpb']);
  });

  it('writes the last of many, and few of those between', async () => {
    const saved = open();
    const encoded = jest.spyOn(RouteTable.prototype, 'toSnapshot');
    for (let revision = 1; revision <= 100; revision++) saved.save(tableOf(revision));
    await saved.flushed();
    expect(open().load()?.revision).toBe(100n);
    expect(encoded.mock.calls.length).toBeLessThan(5);
    encoded.mockRestore();
  });

  it.each([
    ['empty', () => truncateSync(file(), 0)],
    ['cut off', () => truncateSync(file(), 50)],
    [
      'altered',
      () =>
        writeFileSync(
          file(),
          readFileSync(file()).map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
        ),
    ],
    ['something else', () => writeFileSync(file(), 'hello')],
  ])('goes on without a file that is %s, and says so', async (_name, damage) => {
    const saved = open();
    saved.save(tableOf(5));
    await saved.flushed();
    damage();
    expect(open().load()).toBeUndefined();
    expect(events.onUnreadable).toHaveBeenCalledWith(file(), expect.any(Error));
  });

  it('tells when it cannot write, and writes again when it can', async () => {
    const saved = open();
    rmSync(folder, { recursive: true });
    saved.save(tableOf(5));
    await saved.flushed();
    expect(events.onWriteFailed).toHaveBeenCalledTimes(1);
    const again = open();
    again.save(tableOf(6));
    await again.flushed();
    expect(open().load()?.revision).toBe(6n);
  });
});
