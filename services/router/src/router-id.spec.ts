import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureRouterId } from './router-id';

describe('ensureRouterId', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bms-router-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('makes an id once and keeps it', () => {
    const id = ensureRouterId(folder);
    expect(id).toMatch(/^router-[0-9a-f]{8}$/);
    expect(ensureRouterId(folder)).toBe(id);
  });

  it('makes a new one where the file was damaged', () => {
    writeFileSync(join(folder, 'router-id'), 'router-');
    const id = ensureRouterId(folder);
    expect(id).toMatch(/^router-[0-9a-f]{8}$/);
    expect(ensureRouterId(folder)).toBe(id);
  });
});
