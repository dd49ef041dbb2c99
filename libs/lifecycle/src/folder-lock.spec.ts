import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folderOwner, FolderTakenError, lockFolder } from './folder-lock';

describe('lockFolder', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-lock-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('names the owner to the second that asks', () => {
    const lock = lockFolder(folder, 'bms up');
    expect(() => lockFolder(folder, 'registry')).toThrow(FolderTakenError);
    expect(() => lockFolder(folder, 'registry')).toThrow(`is in use by bms up (pid ${process.pid})`);
    expect(folderOwner(folder)).toMatchObject({ pid: process.pid, program: 'bms up' });
    lock.release();
  });

  it('is free again after a release, and leaves nothing behind', () => {
    lockFolder(folder, 'one').release();
    lockFolder(folder, 'two').release();
    expect(folderOwner(folder)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('makes a folder that is not there', () => {
    const inner = join(folder, 'a', 'b');
    lockFolder(inner, 'one').release();
    expect(readdirSync(inner)).toEqual([]);
  });

  it('takes over from an owner that died', () => {
    const dead = spawnSync(process.execPath, ['-e', 'console.log(process.pid)'], { encoding: 'utf8' });
    writeFileSync(
      join(folder, 'owner.json'),
      JSON.stringify({ pid: Number(dead.stdout), program: 'x', processStart: '1' }),
    );
    expect(folderOwner(folder)).toBeUndefined();
    lockFolder(folder, 'mine');
    expect(folderOwner(folder)?.pid).toBe(process.pid);
  });

  it('takes over when the pid lives but belongs to a later process', () => {
    writeFileSync(join(folder, 'owner.json'), JSON.stringify({ pid: process.pid, program: 'x', processStart: '1' }));
    if (process.platform === 'linux') expect(folderOwner(folder)).toBeUndefined();
    else expect(folderOwner(folder)?.pid).toBe(process.pid);
  });

  it('takes over from an owner that was killed and that nobody has waited for', async () => {
    if (process.platform !== 'linux') return;
    // The shell becomes a sleeper that never waits for its child, which stays a zombie.
    const shell = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = (await once(shell.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    const stat = (): string => readFileSync(`/proc/${pid}/stat`, 'utf8');
    while (!/\) Z /.test(stat())) await new Promise((next) => setImmediate(next));
    const processStart = stat()
      .slice(stat().lastIndexOf(')') + 2)
      .split(' ')[19];
    writeFileSync(join(folder, 'owner.json'), JSON.stringify({ pid, program: 'x', processStart }));
    expect(folderOwner(folder)).toBeUndefined();
    lockFolder(folder, 'mine');
    shell.kill();
    await once(shell, 'exit');
  });

  it('takes over from a lock file that is no JSON, as a crash of the whole machine may leave it', () => {
    writeFileSync(join(folder, 'owner.json'), '');
    lockFolder(folder, 'mine');
    expect(folderOwner(folder)?.program).toBe('mine');
  });
});
