import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityModel } from '@bms/onnx-inspect/testkit';
import { CommandLineUnderTest } from '../command-line.testkit';

describe('bms pull', () => {
  let bms: CommandLineUnderTest;
  beforeEach(async () => {
    bms = await CommandLineUnderTest.start();
    await bms.run('push', 'tiny', bms.file('m.onnx', identityModel()));
  });
  afterEach(() => bms.stop());

  it('gives a version back, byte by byte, and says how much there is', async () => {
    const folder = join(bms.folder, 'back');
    const { exitCode, stdout, stderr } = await bms.run('pull', 'tiny@1', folder);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toBe(`tiny@1 is in ${folder}: ${identityModel().byteLength} B in 1 file, digests checked\n`);
    expect(readFileSync(join(folder, 'm.onnx'))).toEqual(Buffer.from(identityModel()));
  });

  it('tells version and folder as JSON', async () => {
    const folder = join(bms.folder, 'back');
    const { stdout } = await bms.run('pull', 'tiny', folder, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ folder, version: { ref: { model: 'tiny', version: '1' } } });
  });

  it.each([
    [['pull', 'tiny@1'], "missing required argument 'folder'"],
    [['pull', 'tiny@', 'x'], 'behind "@" stands a version\'s number or a label'],
  ])('ends with 2 for %j', async (argv, sentence) => {
    const { exitCode, stderr } = await bms.run(...argv);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(sentence);
  });

  it('ends with 2 where the folder is not empty', async () => {
    const { exitCode, stderr } = await bms.run('pull', 'tiny@1', bms.folder);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('is not empty: name a folder');
  });
});
