import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VersionId } from '@bms/contracts';
import { z } from 'zod';
import type { WantedVersion } from './wanted-version';

/** After so many deaths of the process, or runs that cost one because they never returned, a version is held back. */
const DEATHS_MAX = 2;

/** Signals by which a process dies of its own code. A version that only *ran* is blamed for no other kind of death. */
const CRASHES: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGABRT', 'SIGTRAP']);

const entrySchema = z.object({
  v: z.literal(1),
  fingerprint: z.string(),
  /** Its load has begun and not ended. */
  loading: z.boolean(),
  /** Deaths while it was loaded, one after the other: a load that succeeds forgives them. */
  loadDeaths: z.number().int(),
  /** Crashes while it ran. */
  runDeaths: z.number().int(),
});
type Entry = z.infer<typeof entrySchema>;

/**
 * Remembers in the worker's state folder which version was being loaded or run when the process died, and holds a
 * version back that was there twice. Nothing is fsynced: it outlives this process, and a machine's crash is no model's
 * fault.
 *
 * While a version is loaded every death counts but an orderly exit: the kernel's memory killer sends SIGKILL. While it
 * runs only a crash counts, and only where the supervisor told of it: otherwise `kill -9` under load would look the same.
 * A run that never returns, or that takes the device with it, counts as the death that it leads to: only a new process
 * has a free thread, or a device, again.
 */
export class LoadJournal {
  private readonly entries = new Map<VersionId, Entry>();

  /**
   * @param folder made when missing; this process alone uses it
   * @param previousExit how the process before this one ended: a signal's name; undefined when nobody tells
   */
  constructor(
    private readonly folder: string,
    previousExit: string | undefined,
  ) {
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      const id = decodeURIComponent(file.slice(0, -'.json'.length)) as VersionId;
      const entry = readEntry(join(folder, file));
      if (entry === undefined) continue;
      // Warm-up runs, too: what died of it died of the load.
      const crashed = !entry.loading && previousExit !== undefined && CRASHES.has(previousExit);
      const ran = crashed && readText(this.runMarkFile(id))?.includes('1') === true;
      this.write(id, {
        ...entry,
        loading: false,
        loadDeaths: entry.loadDeaths + (entry.loading ? 1 : 0),
        runDeaths: entry.runDeaths + (ran ? 1 : 0),
      });
      rmSync(this.runMarkFile(id), { force: true });
    }
  }

  /** Why the version is held back; undefined when it is not. */
  quarantine(wanted: WantedVersion): string | undefined {
    const entry = this.entries.get(wanted.id);
    if (entry === undefined || entry.fingerprint !== wanted.fingerprint) return undefined;
    const { loadDeaths, runDeaths } = entry;
    if (loadDeaths + runDeaths < DEATHS_MAX) return undefined;
    const when =
      runDeaths === 0 ? 'while it was loaded' : loadDeaths === 0 ? 'while it ran' : 'while it was loaded or ran';
    return (
      `quarantined: this worker died ${loadDeaths + runDeaths} times ${when} (a run that never returns, or takes the device with it, counts); ` +
      'it is tried again once it was taken offline and published anew'
    );
  }

  /** Whether the process died once while this version was loaded; perhaps another was to blame. */
  isSuspect(wanted: WantedVersion): boolean {
    const entry = this.entries.get(wanted.id);
    const known = entry?.fingerprint === wanted.fingerprint && entry.loadDeaths > 0;
    return known && this.quarantine(wanted) === undefined;
  }

  /** Forgets versions that are not wanted any more, or wanted otherwise: if they come back, they are tried again. */
  keepOnly(wanted: ReadonlyMap<VersionId, WantedVersion>): void {
    for (const [id, entry] of this.entries) {
      if (wanted.get(id)?.fingerprint !== entry.fingerprint) this.forget(id);
    }
  }

  beginLoad({ id, fingerprint }: WantedVersion): void {
    rmSync(this.runMarkFile(id), { force: true }); // of executors that are gone
    const known = this.entries.get(id);
    const deaths = known?.fingerprint === fingerprint ? known : { loadDeaths: 0, runDeaths: 0 };
    this.write(id, { v: 1, fingerprint, loading: true, loadDeaths: deaths.loadDeaths, runDeaths: deaths.runDeaths });
  }

  /** The load ended in order. */
  endLoad({ id }: WantedVersion, succeeded: boolean): void {
    const entry = this.entries.get(id);
    if (entry !== undefined) {
      this.write(id, { ...entry, loading: false, loadDeaths: succeeded ? 0 : entry.loadDeaths });
    }
  }

  /**
   * A run of the version never returns, or took the device with it, so that this process has to end: counts at once, since
   * it ends in order.
   * @param during its load, whose warm-up runs, or its service; nothing counts once the version is desired otherwise
   */
  countDeath({ id, fingerprint }: WantedVersion, during: 'load' | 'service'): void {
    const entry = this.entries.get(id);
    if (entry?.fingerprint !== fingerprint) return;
    const { loadDeaths, runDeaths } = entry;
    // Not loading any more: the end of this process must not count a second time.
    if (during === 'load') this.write(id, { ...entry, loading: false, loadDeaths: loadDeaths + 1 });
    else this.write(id, { ...entry, runDeaths: runDeaths + 1 });
    rmSync(this.runMarkFile(id), { force: true });
  }

  /** Where the version's executors mark that they run, each in a byte of its own. */
  runMarkFile(id: VersionId): string {
    return join(this.folder, `${encodeURIComponent(id)}.run`);
  }

  /** The process ends in order, whatever goes on: nobody is to blame. */
  close(): void {
    for (const [id, entry] of this.entries) {
      if (entry.loading) this.write(id, { ...entry, loading: false });
      rmSync(this.runMarkFile(id), { force: true });
    }
  }

  private forget(id: VersionId): void {
    this.entries.delete(id);
    rmSync(this.file(id), { force: true });
    rmSync(this.runMarkFile(id), { force: true });
  }

  private write(id: VersionId, entry: Entry): void {
    this.entries.set(id, entry);
    const draft = `${this.file(id)}.tmp`;
    writeFileSync(draft, JSON.stringify(entry));
    renameSync(draft, this.file(id));
  }

  private file(id: VersionId): string {
    return join(this.folder, `${encodeURIComponent(id)}.json`);
  }
}

/** undefined for a file that another release wrote, or that is broken: it only held a suspicion. */
function readEntry(file: string): Entry | undefined {
  try {
    return entrySchema.safeParse(JSON.parse(readText(file) ?? '')).data;
  } catch {
    return undefined;
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
