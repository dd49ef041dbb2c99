import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError } from '@bms/lifecycle';
import { workerIdentity } from './worker-identity';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bms-identity-'))));
afterEach(() => rmSync(folder, { recursive: true }));

describe('workerIdentity', () => {
  it('keeps the id over starts, and makes a new incarnation for each', () => {
    const [first, second] = [workerIdentity(folder), workerIdentity(folder)];
    expect(first.workerId).toMatch(/^worker-[0-9a-f]{10}$/);
    expect(second.workerId).toBe(first.workerId);
    expect(second.incarnation).not.toBe(first.incarnation);
    expect(JSON.parse(readFileSync(join(folder, 'worker.json'), 'utf8'))).toEqual({ v: 1, workerId: first.workerId });
  });

  it.each(['', '{"v":1}', '{"v":2,"workerId":"a"}', '{"v":1,"workerId":"a/b"}'])(
    'refuses a broken file: %j',
    (text) => {
      writeFileSync(join(folder, 'worker.json'), text);
      expect(() => workerIdentity(folder)).toThrow(StartError);
    },
  );
});
