import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, runBms, TestMesh } from './test-mesh';

const BMS = join(ROOT, 'libs/cli/bin/bms.js');
/** From before the child runs to after it has ended: an export or import of the example takes some 0.2 s once it runs. */
const KILL_AFTER_MS = [350, 500, 650, 800];

/** Starts a command and kills it and what it started, wherever they are then. */
async function killed(args: readonly string[], afterMs: number): Promise<void> {
  const child = spawn(process.execPath, [BMS, ...args], { detached: true, stdio: 'ignore', cwd: ROOT });
  const exited = once(child, 'exit');
  const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), afterMs);
  await exited;
  clearTimeout(timer);
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

  it.each(KILL_AFTER_MS)(
    'exports the same after an export that was killed after %i ms',
    async (afterMs) => {
      const folder = join(root, `export-${afterMs}`);
      await killed(['store', 'export', folder, '--data', data], afterMs);
      const again = await runBms(['store', 'export', folder, '--data', data]);
      if (again.code !== 0) expect(again.err).toContain('is not empty'); // it had been finished
      expect(recordsOf(folder)).toBe(recordsOf(whole));
    },
    30_000,
  );

  it.each(KILL_AFTER_MS)(
    'imports the same after an import that was killed after %i ms',
    async (afterMs) => {
      const target = join(root, `target-${afterMs}`);
      await killed(['store', 'import', whole, '--data', target], afterMs);
      const again = await runBms(['store', 'import', whole, '--data', target]);
      if (again.code !== 0) expect(again.err).toContain('already: an import goes into an empty store'); // it had been finished
      const back = join(root, `back-${afterMs}`);
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
