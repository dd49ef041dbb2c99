import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';

/** Who owns a folder. */
export interface FolderOwner {
  readonly pid: number;
  /** What the owner calls itself: "bms up", "registry". */
  readonly program: string;
  /** When its process started, in the kernel's clock ticks; "" where the system does not tell. Tells a reused pid apart. */
  readonly processStart: string;
}

/** Somebody else owns the folder. */
export class FolderTakenError extends Error {
  override readonly name = 'FolderTakenError';
  constructor(
    readonly folder: string,
    readonly owner: FolderOwner,
  ) {
    super(`the folder ${folder} is in use by ${owner.program} (pid ${owner.pid})`);
  }
}

/**
 * Takes a folder for this process alone until it ends or releases it; makes the folder when missing. A lock whose
 * owner has died counts as free. Throws {@link FolderTakenError} that names the owner.
 */
export function lockFolder(folder: string, program: string): { release(): void } {
  mkdirSync(folder, { recursive: true });
  const lock = join(folder, 'owner.json');
  const mine: FolderOwner = { pid: process.pid, program, processStart: processStat(process.pid).start };
  const draft = join(folder, `owner.${randomUUID()}.tmp`);
  writeFileSync(draft, JSON.stringify(mine));
  try {
    while (!tryLink(draft, lock)) {
      const owner = readOwner(lock);
      if (owner === undefined) continue; // released between the two looks
      if (isAlive(owner)) throw new FolderTakenError(folder, owner);
      setAside(lock, owner);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return { release: () => rmSync(lock, { force: true }) };
}

/** The living owner of a folder, if any. */
export function folderOwner(folder: string): FolderOwner | undefined {
  const owner = readOwner(join(folder, 'owner.json'));
  return owner !== undefined && isAlive(owner) ? owner : undefined;
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes a dead owner's lock. Of several that try at once, one may move a lock that was just taken
 * aside: it sees that from the content and puts it back.
 */
function setAside(lock: string, dead: FolderOwner): void {
  const aside = `${lock}.${randomUUID()}.dead`;
  try {
    renameSync(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = readOwner(aside);
  if (moved !== undefined && (moved.pid !== dead.pid || moved.processStart !== dead.processStart)) tryLink(aside, lock);
  rmSync(aside, { force: true });
}

function readOwner(lock: string): FolderOwner | undefined {
  try {
    return JSON.parse(readFileSync(lock, 'utf8')) as FolderOwner;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return { pid: 0, program: 'unknown', processStart: '' };
    throw error;
  }
}

function isAlive(owner: FolderOwner): boolean {
  if (owner.pid <= 0) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const stat = processStat(owner.pid);
  // A killed process that nobody has waited for yet can still be signalled: under a first process that does not reap, for ever.
  if (stat.state === 'Z' || stat.state === 'X') return false;
  return stat.start === '' || owner.processStart === '' || stat.start === owner.processStart;
}

/** Fields 3 and 22 of /proc/PID/stat, counted from behind the name, which may hold spaces; "" without /proc. */
function processStat(pid: number): { readonly state: string; readonly start: string } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', start: fields[19] ?? '' };
  } catch {
    return { state: '', start: '' };
  }
}
