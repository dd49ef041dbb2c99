import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownVersion } from './own-version';

describe('ownVersion', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-version-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('reads the version of the package that the code lies in', () => {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'one', version: '1.2.3' }));
    mkdirSync(join(folder, 'dist'));
    expect(ownVersion(join(folder, 'dist'))).toBe('1.2.3');
  });
});
