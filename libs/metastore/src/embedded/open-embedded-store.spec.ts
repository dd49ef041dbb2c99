import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { FolderTakenError, StartError } from '@bms/lifecycle';
import { open } from 'lmdb';
import { ManualClock } from '../manual-clock.testkit';
import { CompactedError } from '../meta-store';
import { bytes, contents, get, put, WatchRecorder, write } from '../store-under-test.testkit';
import type { EmbeddedMetaStore } from './embedded-meta-store';
import { openEmbeddedStore, type EmbeddedStoreOptions } from './open-embedded-store';

// The build, for a process of its own: `npm test` makes it first.
const METASTORE = resolve(__dirname, '../../dist/index.js');

describe('openEmbeddedStore', () => {
  let folder: string;
  let opened: EmbeddedMetaStore[] = [];
  const openStore = async (options: Partial<EmbeddedStoreOptions> = {}): Promise<EmbeddedMetaStore> => {
    const store = await openEmbeddedStore({ folder, ...options });
    opened.push(store);
    return store;
  };
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-embedded-'))));
  afterEach(async () => {
    for (const store of opened) await store.close();
    opened = [];
    rmSync(folder, { recursive: true, force: true });
  });

  it('lets a folder have one owner, names it to the next, and is free again when it closes', async () => {
    const store = await openStore({ program: 'registry' });
    const error = await openStore().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FolderTakenError);
    expect((error as Error).message).toBe(`the folder ${folder} is in use by registry (pid ${process.pid})`);
    await store.close();
    expect(readdirSync(folder)).toEqual(['store.mdb', 'store.mdb-lock']);
    expect((await openStore()).clusterId).toBe(store.clusterId);
  });

  it('gives each store an identity of its own', async () => {
    const one = await openStore();
    const other = await openStore({ folder: join(folder, 'other') });
    expect(one.clusterId).not.toBe(other.clusterId);
    expect(one.kind).toBe('embedded');
  });

  it('leaves a store alone that a newer version wrote, and says so', async () => {
    await (await openStore()).close();
    const root = open({ path: join(folder, 'store.mdb'), noSubdir: true, encoding: 'binary', keyEncoding: 'binary' });
    const facts = root.openDB<Buffer, Buffer>({ name: 'facts', encoding: 'binary', keyEncoding: 'binary' });
    await facts.put(Buffer.from('schema'), Buffer.from('2'));
    await root.close();
    const error = await openStore().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartError);
    expect((error as Error).message).toBe(
      `the store ${join(folder, 'store.mdb')} was written by a newer BMS (format 2, this one knows 1): start that version, or choose another folder with --data`,
    );
    expect(readdirSync(folder)).not.toContain('owner.json');
  });

  it.each([
    ['text', Buffer.alloc(20_000, 'x')],
    ['a few bytes', Buffer.from('hello')],
  ])('says when the file is no store but %s', async (_, content) => {
    writeFileSync(join(folder, 'store.mdb'), content);
    const error = await openStore().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartError);
    expect((error as Error).message).toBe(
      `the file ${join(folder, 'store.mdb')} is not a store: move it away, or choose another folder with --data`,
    );
    expect(readdirSync(folder)).toEqual(['store.mdb']);
  });

  it('takes an empty file, as a crash right at the start may leave it, for a new store', async () => {
    writeFileSync(join(folder, 'store.mdb'), '');
    expect((await put(await openStore(), 'a', 'x')).succeeded).toBe(true);
  });

  it('says when the folder cannot be used', async () => {
    mkdirSync(join(folder, 'a'));
    writeFileSync(join(folder, 'a', 'file'), '');
    const error = await openStore({ folder: join(folder, 'a', 'file') }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartError);
    expect((error as Error).message).toMatch(/^the folder .* cannot be used \(E[A-Z]+\): choose another with --data$/);
  });

  describe('history', () => {
    it('goes back as many revisions as it is told to, and says where it begins', async () => {
      const store = await openStore({ historyRevisions: 10 });
      for (let i = 0; i < 30; i++) await put(store, 'a', `${i}`);
      expect(await contents(store, '', 31n)).toEqual({ a: '29' });
      expect(await contents(store, '', 22n)).toEqual({ a: '20' });
      const error = await contents(store, '', 21n).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CompactedError);
      expect((error as CompactedError).compactRevision).toBe(22n);
      const watch = new WatchRecorder(store, { prefix: '' }, 22n);
      expect((await watch.until(10)).length).toBe(10);
      await watch.stop();
      await expect(new WatchRecorder(store, { prefix: '' }, 21n).ended).rejects.toThrow(CompactedError);
    });

    it('stays within its size, even in one revision, and gives the room back', async () => {
      const store = await openStore({ historyBytes: 3_000_000 });
      const value = new Uint8Array(1_000_000);
      for (let i = 0; i < 30; i++) await write(store, { put: 'a', value });
      expect(await get(store, 'a', 31n)).toBeDefined();
      await expect(get(store, 'a', 28n)).rejects.toThrow(CompactedError);
      expect(statSync(join(folder, 'store.mdb')).size).toBeLessThan(20_000_000);
      await write(store, ...['b', 'c', 'd'].map((key) => ({ put: key, value: new Uint8Array(400_000) })));
      await write(store, { deletePrefix: '' }); // has more bytes than the history may keep
      expect(await contents(store, '')).toEqual({});
      expect(await contents(store, '', 33n)).toEqual({});
    });

    it('is shortened by a later opening with less of it', async () => {
      const store = await openStore();
      for (let i = 0; i < 30; i++) await put(store, 'a', `${i}`);
      await store.close();
      const shorter = await openStore({ historyRevisions: 5 });
      await put(shorter, 'a', 'last');
      expect(await contents(shorter, '', 28n)).toEqual({ a: '26' });
      await expect(contents(shorter, '', 27n)).rejects.toThrow(CompactedError);
    });

    it('tells a watch that waits for rare news how far it has come', async () => {
      const store = await openStore();
      const watch = new WatchRecorder(store, { prefix: 'rare/' }, 2n);
      for (let round = 0; round < 30; round++) {
        await Promise.all(Array.from({ length: 50 }, (_, i) => put(store, `busy/${i}`, 'x')));
      }
      await put(store, 'rare/a', 'x');
      await watch.until(1);
      await watch.stop();
      const [progress, news] = watch.batches;
      expect(progress?.events).toEqual([]);
      expect(progress !== undefined && progress.revision >= 1_001n).toBe(true);
      expect(news).toMatchObject({ revision: 1_502n, events: [{ kind: 'put' }] });
    });
  });

  describe('leases', () => {
    it('cost nothing while they are held', async () => {
      const clock = new ManualClock();
      const store = await openStore({ clock });
      const hold = await store.grantLease(10_000);
      expect(clock.pending).toBe(0);
      hold.release();
      expect(clock.pending).toBe(1);
      await store.close();
      expect(clock.pending).toBe(0);
    });

    it('get their full time after a reopening, however little was left', async () => {
      const clock = new ManualClock();
      const store = await openStore({ clock });
      const hold = await store.grantLease(10_000);
      await put(store, 'a', 'x', hold.leaseId);
      hold.release();
      clock.advance(9_999);
      await store.close();
      const again = await openStore({ clock });
      clock.advance(9_999);
      expect(await contents(again, '')).toEqual({ a: 'x' });
      clock.advance(1);
      await put(again, 'b', 'x');
      expect(await contents(again, '')).toEqual({ b: 'x' });
    });

    it('are not ended when somebody takes them over while their end is under way', async () => {
      const clock = new ManualClock();
      const store = await openStore({ clock });
      const lease = await store.grantLease(10_000);
      await put(store, 'a', 'x', lease.leaseId);
      lease.release();
      clock.advance(10_000); // the end is asked for, and not yet done
      const successor = await store.holdLease(lease.leaseId);
      await put(store, 'b', 'x');
      expect(await contents(store, '')).toEqual({ a: 'x', b: 'x' });
      expect(successor.lost.aborted).toBe(false);
    });
  });

  it('leaves out what a caller calls off before its turn, and does the rest', async () => {
    const store = await openStore();
    const abort = new AbortController();
    const kept = put(store, 'kept', 'x');
    const off = store.commit({ compares: [], writes: [{ put: 'off', value: bytes('x') }] }, abort.signal);
    abort.abort(new Error('gave up'));
    await expect(off).rejects.toThrow('gave up');
    await kept;
    expect(await contents(store, '')).toEqual({ kept: 'x' });
  });

  it('refuses to write on a full disk, loses nothing, and goes on where there is room again', async () => {
    // A limit on the size of files stands for a full disk: to the process both look the same.
    const script = `
      const { openEmbeddedStore } = require(${JSON.stringify(METASTORE)});
      (async () => {
        const store = await openEmbeddedStore({ folder: ${JSON.stringify(folder)}, historyBytes: 1 });
        const write = (key, size) => store.commit({ compares: [], writes: [{ put: key, value: Buffer.alloc(size, 'x') }] });
        let written = 0;
        try { for (;;) { await write('k' + written, 100000); written++; } } catch (error) {
          console.log(JSON.stringify({ name: error.name, message: error.message, written }));
        }
        const { entries } = await store.range({ prefix: '' });
        console.log(JSON.stringify({ entries: entries.length }));
        await store.close();
      })();
    `;
    const child = spawn('sh', ['-c', `trap '' XFSZ; ulimit -f 6000; exec "$0" -e "$1"`, process.execPath, script]);
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) lines.push(line);
    const [failure, after] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(failure).toMatchObject({ name: 'StoreUnavailableError' });
    expect(failure?.['message']).toContain('the store could not write');
    expect(failure?.['written']).toBeGreaterThan(5);
    expect(after).toEqual({ entries: failure?.['written'] });
    const store = await openStore();
    expect(Object.keys(await contents(store, ''))).toHaveLength(Number(failure?.['written']));
    await put(store, 'room', 'x');
    expect(await get(store, 'room')).toBeDefined();
  });
});
