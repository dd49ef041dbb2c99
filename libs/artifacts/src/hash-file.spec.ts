import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256OfFile } from './hash-file';

describe('sha256OfFile', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-hash-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it.each([0, 1, 1_048_576, 2_500_000])('hashes a file of %i bytes and tells how far it is', async (size) => {
    const bytes = randomBytes(size);
    const path = join(folder, 'file');
    writeFileSync(path, bytes);
    const progress: number[] = [];
    const digest = await sha256OfFile(path, undefined, (readBytes) => progress.push(readBytes));
    expect(digest).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(progress.at(-1) ?? 0).toBe(size);
    expect([...progress].sort((a, b) => a - b)).toEqual(progress);
  });

  it('stops when it is called off', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, randomBytes(5_000_000));
    const abort = new AbortController();
    const hashing = sha256OfFile(path, abort.signal, () => abort.abort(new Error('enough')));
    await expect(hashing).rejects.toThrow('enough');
  });

  it('fails for a file that is not there', async () => {
    await expect(sha256OfFile(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
