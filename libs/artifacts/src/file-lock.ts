import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, ifThere } from './durable-file';

/** Who holds a lock. */
export interface LockOwner {
  /** One taking of the lock. */
  readonly token: string;
  readonly host: string;
  readonly pid: number;
  /** When its process started, in the kernel's clock ticks; "" where the system does not tell. Tells a reused pid apart. */
  readonly processStart: string;
}

/**
 * A lock counts while it was refreshed within this time: another host's process cannot be asked whether it lives, and one of this
 * host may stand still for good.
 */
const STALE_MS = 60_000;
const REFRESH_MS = 15_000;
const WAIT_FIRST_MS = 5;
const WAIT_MAX_MS = 250;

/**
 * Something that one writer at a time may do, among all processes that share a folder, on several hosts too. A file
 * says who does it; a dead owner's is set aside.
 */
export class FileLock {
  private readonly refresh: NodeJS.Timeout;

  private constructor(
    private readonly path: string,
    private readonly token: string,
    /** Whether it was taken from somebody who may come to again, and then goes on writing to what it has open. */
    readonly tookOver: boolean,
  ) {
    this.refresh = setInterval(() => {
      const now = new Date();
      utimes(path, now, now).catch(() => undefined); // a lock that is lost shows at `isHeld`
    }, REFRESH_MS).unref();
  }

  /** Whether somebody alive has it. */
  static async isTaken(path: string): Promise<boolean> {
    const owner = await readOwner(path);
    return owner !== undefined && (await isAlive(owner, path));
  }

  /** The lock, once nobody else has it; looks again and again. */
  static async wait(path: string, signal: AbortSignal): Promise<FileLock> {
    for (let pauseMs = WAIT_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, WAIT_MAX_MS)) {
      signal.throwIfAborted();
      const lock = await FileLock.take(path);
      if (lock !== undefined) return lock;
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined); // the loop tells why it was aborted
    }
  }

  /** The lock, or undefined while somebody else has it. */
  static async take(path: string): Promise<FileLock | undefined> {
    const pid = process.pid;
    const mine: LockOwner = {
      token: randomUUID(),
      host: hostname(),
      pid,
      processStart: (await processStat(pid)).start,
    };
    const draft = `${path}.${mine.token}.tmp`;
    await writeFile(draft, JSON.stringify(mine));
    let tookOver = false;
    try {
      while (!(await tryLink(draft, path))) {
        const owner = await readOwner(path);
        if (owner === undefined) continue; // released between the two looks
        if (await isAlive(owner, path)) return undefined;
        tookOver = owner.host !== hostname() || (await isRunning(owner));
        await setAside(path, owner.token);
      }
    } finally {
      await rm(draft, { force: true });
    }
    return new FileLock(path, mine.token, tookOver);
  }

  /** Whether it is still ours: a host that slept for long may have been taken for dead. */
  async isHeld(): Promise<boolean> {
    return (await readOwner(this.path))?.token === this.token;
  }

  /** Gives it back, before it returns; what cannot be given back, for want of the folder, say, is dropped. */
  release(): void {
    clearInterval(this.refresh);
    try {
      const { token } = JSON.parse(readFileSync(this.path, 'utf8')) as LockOwner;
      if (token === this.token) rmSync(this.path, { force: true });
    } catch {
      // somebody else's, or gone
    }
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a dead owner's lock. Whoever moves a newer one aside by mistake sees it and puts it back. */
async function setAside(path: string, deadToken: string): Promise<void> {
  const aside = `${path}.${randomUUID()}.tmp`;
  if ((await ifThere(rename(path, aside).then(() => true))) === undefined) return;
  const moved = await readOwner(aside);
  if (moved !== undefined && moved.token !== deadToken) await tryLink(aside, path);
  await rm(aside, { force: true });
}

async function readOwner(path: string): Promise<LockOwner | undefined> {
  const text = await ifThere(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as LockOwner;
  } catch {
    return { token: '', host: hostname(), pid: 0, processStart: '' }; // cut off by a crash of the whole machine
  }
}

async function isAlive(owner: LockOwner, path: string): Promise<boolean> {
  if (owner.host === hostname() && !(await isRunning(owner))) return false;
  const file = await ifThere(stat(path));
  return file !== undefined && Date.now() - file.mtimeMs < STALE_MS;
}

/** Whether this host's process is there, if only stopped. */
async function isRunning(owner: LockOwner): Promise<boolean> {
  if (owner.pid <= 0) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
  }
  const { state, start } = await processStat(owner.pid);
  // Waited for between the two looks, where the system tells of processes at all.
  if (state === '' && (await processStat(process.pid)).state !== '') return false;
  // A killed process that nobody has waited for yet can still be signalled.
  if (state === 'Z' || state === 'X') return false;
  return start === '' || owner.processStart === '' || start === owner.processStart;
}

/** Fields 3 and 22 of /proc/PID/stat, counted from behind the name, which may hold spaces; "" without /proc. */
async function processStat(pid: number): Promise<{ readonly state: string; readonly start: string }> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', start: fields[19] ?? '' };
  } catch {
    return { state: '', start: '' };
  }
}
