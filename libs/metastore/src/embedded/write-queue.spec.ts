import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LeaseNotFoundError, OutcomeUnknownError, StoreUnavailableError, type CommitResult } from '../meta-store';
import { bytes } from '../store-under-test.testkit';
import { openTables, readState, type LmdbTables } from './lmdb-tables';
import { readPresent } from './read-snapshot';
import { WriteQueue } from './write-queue';

describe('WriteQueue', () => {
  let folder: string;
  let tables: LmdbTables;
  let loseAnswers = false;
  let batches = 0;
  let queue: WriteQueue;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bms-queue-'));
    ({ tables } = await openTables(folder));
    loseAnswers = false;
    batches = 0;
    const beforeAnswers = (): void => {
      if (loseAnswers) throw new Error('lost');
    };
    queue = new WriteQueue(tables, { revisions: 100, bytes: 1_000_000 }, () => batches++, beforeAnswers);
  });
  afterEach(async () => {
    await queue.close();
    await tables.root.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const put = (key: string, leaseId = 0n, done?: (result: CommitResult) => void): Promise<CommitResult> =>
    queue.run(
      (writer) => writer.commit({ compares: [], writes: [{ put: key, value: bytes('x'), leaseId }] }),
      undefined,
      done,
    );
  const keys = (): string[] => readPresent(tables, { prefix: '' }).entries.map(({ key }) => key);

  it('does what is asked in one go in one batch, in order, each at its revision', async () => {
    const results = await Promise.all([put('a'), put('b'), put('c')]);
    expect(results.map(({ revision }) => revision)).toEqual([2n, 3n, 4n]);
    expect(batches).toBe(1);
    expect(readState(tables).batch).toBe(1n);
  });

  it('lets a refusal concern nobody else in its batch', async () => {
    const results = await Promise.allSettled([put('a'), put('b', 99n), put('c')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: expect.any(LeaseNotFoundError) as unknown });
    expect(keys()).toEqual(['a', 'c']);
  });

  it('writes nothing of a batch that fails halfway, says so, and goes on with the next', async () => {
    const told: string[] = [];
    const halfway = queue.run((writer) => {
      writer.grantLease(7n, 1_000);
      writer.commit({ compares: [], writes: [{ put: 'half', value: bytes('x') }] });
      throw new Error('the disk is gone');
    });
    const results = await Promise.allSettled([put('a', 0n, () => told.push('a')), halfway, put('b')]);
    // Two of them were asked for later than the first, but all three share its batch.
    for (const result of results) {
      expect(result).toMatchObject({ reason: expect.any(StoreUnavailableError) as unknown });
    }
    expect(told).toEqual([]);
    expect(readState(tables)).toMatchObject({ head: 1n, batch: 0n });
    expect(keys()).toEqual([]);
    expect(await put('c')).toEqual({ succeeded: true, revision: 2n });
    expect([...tables.leases.getKeys()]).toEqual([]);
  });

  it('tells what is durable even where the answers are lost', async () => {
    const told: CommitResult[] = [];
    loseAnswers = true;
    await expect(put('a', 0n, (result) => told.push(result))).rejects.toThrow(OutcomeUnknownError);
    expect(told).toEqual([{ succeeded: true, revision: 2n }]);
    expect(batches).toBe(1);
    expect(keys()).toEqual(['a']);
  });

  it('writes nothing where nothing changes', async () => {
    await put('a');
    const before = readState(tables);
    await queue.run((writer) => writer.commit({ compares: [{ key: 'a', is: 'absent' }], writes: [] }));
    expect(readState(tables)).toEqual(before);
  });

  it('tells a caller that gives up too late how it went, and harms nobody else', async () => {
    const abort = new AbortController();
    const late = queue.run((writer) => {
      abort.abort(new Error('gave up'));
      return writer.commit({ compares: [], writes: [{ put: 'a', value: bytes('x') }] });
    }, abort.signal);
    const inSameBatch = put('b');
    await new Promise(setImmediate);
    const behind = put('c');
    expect(await late).toEqual({ succeeded: true, revision: 2n });
    await Promise.all([inSameBatch, behind]);
    expect(keys()).toEqual(['a', 'b', 'c']);
  });

  it('refuses what waits when it closes, and all that comes after', async () => {
    const first = put('a');
    const closing = queue.close();
    await expect(first).rejects.toThrow(StoreUnavailableError);
    await expect(put('b')).rejects.toThrow('the store is closed');
    await closing;
    expect(keys()).toEqual([]);
  });
});
