import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AUDIT_FILE, AuditLog, type AuditRecord } from './audit-log';

const { signal } = new AbortController();

function record(n: number, tenant = 'default', subject = `${tenant}/m@${n}`): AuditRecord {
  return { atMs: n, principal: 'ann@desk', tenant, method: '/s/M', subject, outcome: 'OK', requestId: `r-${n}` };
}

describe('AuditLog', () => {
  let folder: string;
  let log: AuditLog;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bms-audit-'));
    log = await AuditLog.open(folder);
  });
  afterEach(async () => {
    await log.close();
    rmSync(folder, { recursive: true });
  });
  const file = (): string => join(folder, AUDIT_FILE);

  it('gives back what was appended, newest first, by tenant, up to the limit', async () => {
    for (const n of [1, 2, 3]) await log.append(record(n));
    await log.append(record(4, 'acme'));
    expect(await log.newest('default', 2, signal)).toEqual([record(3), record(2)]);
    expect(await log.newest('acme', 10, signal)).toEqual([record(4, 'acme')]);
    expect(await log.newest('nobody', 10, signal)).toEqual([]);
  });

  it('writes a line per entry in the order of the calls, readable by its owner alone', async () => {
    await Promise.all([1, 2, 3, 4, 5].map((n) => log.append(record(n))));
    const lines = readFileSync(file(), 'utf8').trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as AuditRecord).atMs)).toEqual([1, 2, 3, 4, 5]);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  it('keeps one line a record whatever a caller calls itself', async () => {
    const nasty = { ...record(1), principal: 'a\n{"atMs":2}\u2028' };
    await log.append(nasty);
    expect(await log.newest('default', 10, signal)).toEqual([nasty]);
  });

  it('reads entries across the blocks in which it reads the file', async () => {
    const long = (n: number): AuditRecord => record(n, 'default', `${n}${'é'.repeat(20_000)}`);
    for (const n of [1, 2, 3, 4, 5, 6]) await log.append(long(n));
    const found = await log.newest('default', 10, signal);
    expect(found.map(({ atMs, subject }) => [atMs, subject.length])).toEqual(
      [6, 5, 4, 3, 2, 1].map((n) => [n, 20_001]),
    );
  });

  it('passes over a line that a crash tore, and starts the next one on its own', async () => {
    await log.append(record(1));
    await log.close();
    appendFileSync(file(), '{"atMs":2,"princ');
    log = await AuditLog.open(folder);
    await log.append(record(3));
    expect(await log.newest('default', 10, signal)).toEqual([record(3), record(1)]);
  });

  it('passes over lines that are no entries', async () => {
    writeFileSync(file(), 'null\n[]\n{"tenant":"default"}\n');
    await log.append(record(1));
    expect(await log.newest('default', 10, signal)).toEqual([record(1)]);
  });
});
