import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { Reason } from '@bms/contracts';
import { FolderBlobStore } from './folder-blob-store';

// The build, for a second process on the same folder: `npm test` makes it first.
const ARTIFACTS = resolve(__dirname, '../dist/index.js');

async function* chunks(...parts: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts;
}

describe('a folder of blobs that two processes share', () => {
  const bytes = randomBytes(60_000);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  let folder: string;
  let other: ChildProcess;

  /** Takes the first half of the upload, and waits for the rest. */
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bms-blobs-'));
    const script = `
      const { FolderBlobStore } = require(${JSON.stringify(ARTIFACTS)});
      const [folder, sha256, half] = process.argv.slice(1);
      async function* chunks() {
        yield Buffer.from(half, 'base64');
        console.log('half');
        await new Promise((resolve) => process.once('SIGUSR2', resolve));
        yield Buffer.from('late bytes');
      }
      new FolderBlobStore(folder).write(sha256, 60000, 0, chunks()).catch(() => {}).finally(() => process.exit());
      setInterval(() => {}, 1000);
    `;
    const half = bytes.subarray(0, 30_000).toString('base64');
    other = spawn(process.execPath, ['-e', script, folder, sha256, half], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(other.stdout as Readable, 'data');
  });
  afterEach(() => {
    other.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('lets one at a time write a digest, and the other go on where a killed one stopped', async () => {
    const store = new FolderBlobStore(folder);
    const rest = (): Promise<number> => store.write(sha256, 60_000, 30_000, chunks(bytes.subarray(30_000)));
    await expect(rest()).rejects.toMatchObject({ reason: Reason.CONFLICT });
    other.kill('SIGKILL');
    await once(other, 'exit');
    expect(await rest()).toBe(60_000);
    expect(readFileSync(await store.path(sha256)).equals(bytes)).toBe(true);
  });

  it('begins anew where the other one stands still, and is not harmed when it wakes up', async () => {
    const store = new FolderBlobStore(folder);
    other.kill('SIGSTOP');
    const longAgo = new Date(Date.now() - 61_000);
    utimesSync(join(folder, 'uploads', `${sha256}.lock`), longAgo, longAgo);
    await expect(store.write(sha256, 60_000, 30_000, chunks())).rejects.toMatchObject({
      reason: Reason.UPLOAD_INTERRUPTED,
      facts: { receivedBytes: '0' },
    });
    expect(await store.write(sha256, 60_000, 0, chunks(bytes))).toBe(60_000);
    other.kill('SIGUSR2');
    other.kill('SIGCONT');
    await once(other, 'exit');
    expect(readFileSync(await store.path(sha256)).equals(bytes)).toBe(true);
  });
});
