import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from './make-folder';

describe('makeFolder', () => {
  it('makes all levels that are missing, and takes those that are there', () => {
    const root = mkdtempSync(join(tmpdir(), 'bms-folder-'));
    try {
      const folder = join(root, 'a', 'b', 'c');
      makeFolder(folder);
      makeFolder(folder);
      expect(statSync(folder).isDirectory()).toBe(true);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  (existsSync('/proc/self') ? it : it.skip)('ends where the file system takes no new folder', () => {
    expect(() => makeFolder('/proc/bms-spec/a/b')).toThrow('ENOENT');
  });
});
