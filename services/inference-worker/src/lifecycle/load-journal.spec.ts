import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LoadJournal } from './load-journal';
import { wanted } from './wanted-version.testkit';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-journal-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const bad = wanted('bad', 1);
const good = wanted('good', 1);

/** A start of the process that dies while it loads `version`. */
function dieLoading(version: typeof bad): void {
  new LoadJournal(folder, undefined).beginLoad(version);
}

/** A start of the process that dies while `version` runs. */
function dieRunning(version: typeof bad, previousExit?: string): void {
  const journal = new LoadJournal(folder, previousExit);
  journal.beginLoad(version);
  journal.endLoad(version, true);
  writeFileSync(journal.runMarkFile(version.id), '1');
}

describe('LoadJournal', () => {
  it('holds a version back whose load was going on at two deaths of the process in a row, and no other', () => {
    dieLoading(bad);
    expect(new LoadJournal(folder, undefined).quarantine(bad)).toBeUndefined();
    dieLoading(bad);
    const journal = new LoadJournal(folder, undefined);
    expect(journal.quarantine(bad)).toMatch(/^quarantined: this worker died 2 times while it was loaded/);
    expect(journal.quarantine(good)).toBeUndefined();
  });

  it('suspects a version after the first death, so that it is loaded alone; what is held back is no suspect', () => {
    dieLoading(bad);
    const journal = new LoadJournal(folder, undefined);
    expect([journal.isSuspect(bad), journal.isSuspect(good)]).toEqual([true, false]);
    journal.beginLoad(bad);
    expect(new LoadJournal(folder, undefined).isSuspect(bad)).toBe(false);
  });

  it('counts a crash during the warm-up, which loads and runs, once', () => {
    dieLoading(bad);
    writeFileSync(join(folder, `${encodeURIComponent(bad.id)}.run`), '1');
    expect(new LoadJournal(folder, 'SIGSEGV').quarantine(bad)).toBeUndefined();
  });

  it('counts once for each death, however often it is read', () => {
    dieLoading(bad);
    for (let start = 0; start < 5; start++) expect(new LoadJournal(folder, undefined).quarantine(bad)).toBeUndefined();
  });

  it('forgives deaths during loads once a load succeeds', () => {
    dieLoading(bad);
    const journal = new LoadJournal(folder, undefined);
    journal.beginLoad(bad);
    journal.endLoad(bad, true);
    dieLoading(bad);
    expect(new LoadJournal(folder, undefined).quarantine(bad)).toBeUndefined();
  });

  it('does not count a load that failed in order, nor an orderly end of the process meanwhile', () => {
    for (let start = 0; start < 3; start++) {
      const journal = new LoadJournal(folder, undefined);
      journal.beginLoad(bad);
      journal.endLoad(bad, false);
      journal.beginLoad(bad);
      journal.close();
    }
    expect(new LoadJournal(folder, undefined).quarantine(bad)).toBeUndefined();
  });

  it('holds a version back that was running at two crashes, also when it loads well in between', () => {
    dieRunning(bad);
    dieRunning(bad, 'SIGSEGV');
    expect(new LoadJournal(folder, 'SIGFPE').quarantine(bad)).toMatch(/died 2 times while it ran/);
  });

  it.each<['load' | 'service', RegExp]>([
    ['load', /died 2 times while it was loaded/],
    ['service', /died 2 times while it ran/],
  ])('counts a run of the %s that never returns as a death, once, however the process then ends', (during, message) => {
    const hang = (): string | undefined => {
      const journal = new LoadJournal(folder, 'SIGKILL');
      const held = journal.quarantine(bad);
      if (held !== undefined) return held;
      journal.beginLoad(bad);
      if (during === 'service') journal.endLoad(bad, true);
      writeFileSync(journal.runMarkFile(bad.id), '1');
      journal.countDeath(bad, during);
      return undefined;
    };
    expect(hang()).toBeUndefined();
    expect(new LoadJournal(folder, 'SIGSEGV').quarantine(bad)).toBeUndefined();
    expect(hang()).toBeUndefined();
    expect(hang()).toMatch(message);
  });

  it('blames nobody for a run that never returns of a version that is not wanted any more, or wanted otherwise', () => {
    const journal = new LoadJournal(folder, undefined);
    journal.beginLoad(bad);
    for (let run = 0; run < 2; run++) {
      journal.countDeath(good, 'service');
      journal.countDeath(wanted('bad', 1, { digest: 'repaired' }), 'service');
    }
    journal.close();
    const next = new LoadJournal(folder, undefined);
    expect([next.quarantine(bad), next.quarantine(good), next.isSuspect(bad)]).toEqual([undefined, undefined, false]);
  });

  it.each([['SIGKILL'], ['exit code 1'], [undefined]])(
    'blames no version that ran when the process ended by %s',
    (exit) => {
      dieRunning(good, exit);
      dieRunning(good, exit);
      expect(new LoadJournal(folder, exit).quarantine(good)).toBeUndefined();
    },
  );

  it('tries a version again once it was not desired, or is desired with other files', () => {
    for (let death = 0; death < 2; death++) dieLoading(bad);
    const repaired = wanted('bad', 1, { digest: 'repaired' });
    const journal = new LoadJournal(folder, undefined);
    expect(journal.quarantine(repaired)).toBeUndefined();
    journal.keepOnly(new Map([[bad.id, bad]]));
    expect(journal.quarantine(bad)).toBeDefined();
    journal.keepOnly(new Map([[good.id, good]]));
    expect(journal.quarantine(bad)).toBeUndefined();
    expect(new LoadJournal(folder, undefined).quarantine(bad)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('goes on without a file that it cannot read', () => {
    dieLoading(bad);
    writeFileSync(join(folder, `${encodeURIComponent(good.id)}.json`), '{"v":');
    expect(new LoadJournal(folder, undefined).quarantine(good)).toBeUndefined();
  });
});
