import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { MetaStore } from '../meta-store';
import {
  contents,
  expectWholeRevisions,
  keyOf,
  present,
  seededRandom,
  text,
  WatchRecorder,
} from '../store-under-test.testkit';
import { openEmbeddedStore } from './open-embedded-store';

// The build, in a process that can be killed: `npm test` makes it first.
const METASTORE = resolve(__dirname, '../../dist/index.js');
const WRITERS = 4;

/**
 * Several writers at once, so that transactions share batches. Each counts up; number N writes N to two keys, adds an entry of
 * its own, and deletes the entry three before. What is acknowledged is said on stdout: "writer N revision".
 */
const CHILD = (folder: string): string => `
  const { openEmbeddedStore } = require(${JSON.stringify(METASTORE)});
  console.log('started');
  (async () => {
    const store = await openEmbeddedStore({ folder: ${JSON.stringify(folder)}, historyRevisions: 300 });
    console.log('opened');
    const writer = async (name) => {
      const [entry] = (await store.range({ key: name + '/a' })).entries;
      for (let n = entry === undefined ? 1 : Number(Buffer.from(entry.value)) + 1; ; n++) {
        const value = Buffer.from(String(n));
        const { revision } = await store.commit({
          compares: [{ key: name + '/log/' + n, is: 'absent' }],
          writes: [
            { put: name + '/a', value },
            { put: name + '/b', value },
            { put: name + '/log/' + n, value: Buffer.alloc(1 + (n * 7919) % 20000, value) },
            { delete: name + '/log/' + (n - 3) },
          ],
        });
        console.log(name + ' ' + n + ' ' + revision);
      }
    };
    for (let i = 0; i < ${WRITERS}; i++) void writer('w' + i);
  })();
`;

describe('EmbeddedMetaStore under kill -9', () => {
  let folder: string;
  let child: ChildProcess | undefined;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-crash-'))));
  afterEach(() => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a writing process, kills it once it has said so many lines, and gives all that it said. */
  const runAndKill = async (lineCount: number): Promise<string[]> => {
    const process_ = spawn(process.execPath, ['-e', CHILD(folder)], { stdio: ['ignore', 'pipe', 'inherit'] });
    child = process_;
    const said: string[] = [];
    for await (const line of createInterface({ input: process_.stdout })) {
      said.push(line);
      if (said.length === lineCount) process_.kill('SIGKILL');
    }
    if (process_.signalCode === null && process_.exitCode === null) await once(process_, 'exit');
    expect(process_.signalCode).toBe('SIGKILL');
    return said;
  };

  it('loses nothing that was acknowledged and keeps nothing by halves, round after round', async () => {
    const random = seededRandom(20_261_101);
    const acknowledged = new Map<string, { n: number; revision: bigint }>();
    let clusterId: string | undefined;
    for (let round = 0; round < 6; round++) {
      // The first lines are "started" and "opened": some rounds die while the store is being opened or made.
      const said = await runAndKill(round % 3 === 0 ? 1 + round / 3 : 3 + Math.floor(random() * 80));
      for (const line of said) {
        const [writer, n, revision] = line.split(' ');
        if (writer !== undefined && n !== undefined && revision !== undefined) {
          acknowledged.set(writer, { n: Number(n), revision: BigInt(revision) });
        }
      }
      const store = await openEmbeddedStore({ folder, historyRevisions: 300 });
      try {
        clusterId ??= said.includes('opened') ? store.clusterId : undefined;
        if (clusterId !== undefined) expect(store.clusterId).toBe(clusterId);
        await expectAllThere(store, acknowledged);
        await expectHistoryToMatch(store);
      } finally {
        await store.close();
      }
    }
    expect(acknowledged.size).toBe(WRITERS);
  }, 60_000);
});

async function expectAllThere(
  store: MetaStore,
  acknowledged: ReadonlyMap<string, { n: number; revision: bigint }>,
): Promise<void> {
  const { revision: head } = await store.range({ prefix: '' });
  for (const [writer, { n, revision }] of acknowledged) {
    const { entries } = await store.range({ prefix: `${writer}/` });
    const [a, b, ...log] = entries;
    const there = Number(text(a?.value ?? new Uint8Array()));
    // One more may have been written whose answer the kill has swallowed.
    expect([n, n + 1]).toContain(there);
    expect(head >= revision).toBe(true);
    expect(Number(text(b?.value ?? new Uint8Array()))).toBe(there);
    const numbers = [there, there - 1, there - 2].filter((one) => one > 0);
    expect(log.map(({ key }) => key).sort()).toEqual(numbers.map((one) => `${writer}/log/${one}`).sort());
    const acknowledgedEntry = log.find(({ key }) => key === `${writer}/log/${n}`);
    expect(acknowledgedEntry?.modRevision).toBe(revision);
    expect(acknowledgedEntry?.value.byteLength).toBe(1 + ((n * 7_919) % 20_000));
  }
}

/** What is there follows from what was there at the oldest revision and every change since. */
async function expectHistoryToMatch(store: MetaStore): Promise<void> {
  const head = await present(store);
  const from = head > 290n ? head - 290n : 1n;
  const replayed = new Map(Object.entries(await contents(store, '', from)));
  const watch = new WatchRecorder(store, { prefix: '' }, from + 1n);
  if (head > from) await watch.until(1);
  while (head > from && (watch.batches.at(-1)?.revision ?? 0n) < head) await watch.until(watch.events.length + 1);
  await watch.stop();
  expectWholeRevisions(watch.batches, from + 1n);
  for (const event of watch.events) {
    if (event.kind === 'put') replayed.set(event.entry.key, text(event.entry.value));
    else replayed.delete(keyOf(event));
  }
  expect(Object.fromEntries([...replayed].sort())).toEqual(await contents(store, ''));
}
