import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, runBms, TestMesh } from './test-mesh';

const BMS = join(ROOT, 'libs/cli/bin/bms.js');
/** Starts a command and kills it and what it started as soon as a file is there that it makes on its way. */
async function killedOnce(file: string, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [BMS, ...args], { detached: true, stdio: 'ignore', cwd: ROOT });
  const exited = once(child, 'exit');
  while (!existsSync(file) && child.exitCode === null) await new Promise((next) => setTimeout(next, 1));
  if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGKILL');
  await exited;
}

/** The digest of all records of an export. */
function recordsOf(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as { records: { sha256: string } };
  return manifest.records.sha256;
}

describe('bms store', () => {
  const root = mkdtempSync(join(tmpdir(), 'bms-store-'));
  const data = join(root, 'data');
  const whole = join(root, 'whole');

  beforeAll(async () => {
    const mesh = await TestMesh.start({ data });
    await mesh.stop({ keepData: true });
    expect(await runBms(['store', 'export', whole, '--data', data])).toMatchObject({ code: 0, err: '' });
  }, 120_000);
  afterAll(() => rmSync(root, { recursive: true }));

  it.each(['UNFINISHED', 'blobs', 'records.jsonl'])(
    'exports the same after an export that was killed when it had made %s',
    async (made) => {
      const folder = join(root, `export-${made}`);
      await killedOnce(join(folder, made), ['store', 'export', folder, '--data', data]);
      const again = await runBms(['store', 'export', folder, '--data', data]);
      if (again.code !== 0) expect(again.err).toContain('is not empty'); // it was faster than the kill
      expect(recordsOf(folder)).toBe(recordsOf(whole));
    },
    30_000,
  );

  it.each(['store/store.mdb', 'blobs', 'blobs/uploads'])(
    'imports the same after an import that was killed when it had made registry/%s',
    async (made) => {
      const name = made.replaceAll('/', '-');
      const target = join(root, `target-${name}`);
      await killedOnce(join(target, 'registry', made), ['store', 'import', whole, '--data', target]);
      const again = await runBms(['store', 'import', whole, '--data', target]);
      if (again.code !== 0) expect(again.err).toContain('already: an import goes into an empty store'); // faster than the kill
      const back = join(root, `back-${name}`);
      expect(await runBms(['store', 'export', back, '--data', target])).toMatchObject({ code: 0, err: '' });
      expect(recordsOf(back)).toBe(recordsOf(whole));
    },
    30_000,
  );

  it.each([
    [
      'a mesh that is not there',
      ['store', 'export', join(root, 'x'), '--data', join(root, 'none')],
      1,
      'there is no store in',
    ],
    ['a folder that is no export', ['store', 'import', root, '--data', join(root, 'y')], 1, 'holds no complete export'],
    [
      'an etcd that is not there',
      ['store', 'export', join(root, 'x'), '--store', 'etcd://127.0.0.1:1'],
      3,
      '127.0.0.1:1',
    ],
    [
      'a store that is none',
      ['store', 'export', join(root, 'x'), '--store', 'x'],
      2,
      'setting store (--store, BMS_STORE)',
    ],
    [
      'flags before the folder',
      ['store', 'export', '--data', data],
      2,
      'the folder comes first: npx bms store export FOLDER --data',
    ],
  ])(
    'says in one sentence what is wrong with %s',
    async (_name, args, code, sentence) => {
      const { code: found, err } = await runBms(args);
      expect(err).toContain(sentence);
      expect(err.trim().split('\n').length).toBeLessThanOrEqual(2);
      expect(found).toBe(code);
    },
    30_000,
  );
});
