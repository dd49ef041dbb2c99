import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BmsError, type models, Reason, type modelService } from '@bms/contracts';
import { buildOnnxModel, externalDataModel, identityModel } from '@bms/onnx-inspect/testkit';
import { CommandLineUnderTest } from '../command-line.testkit';

/** A model with weights of its own, as large as wanted. */
function largeModel(floats: number): Uint8Array {
  return buildOnnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: [floats] }],
    outputs: [{ name: 'y', type: 'FP32', shape: [floats] }],
    nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
    initializers: [{ name: 'w', type: 'FP32', dims: [floats], data: new Float32Array(floats) }],
  });
}

describe('bms push', () => {
  let bms: CommandLineUnderTest;
  beforeEach(async () => {
    bms = await CommandLineUnderTest.start();
  });
  afterEach(() => bms.stop());
  const registered = (): readonly modelService.RegisterVersionRequest[] =>
    bms.mesh.requestsOf<modelService.RegisterVersionRequest>('RegisterVersion');
  const folder = (files: Readonly<Record<string, string | Uint8Array>>): string => {
    const path = join(bms.folder, 'export');
    mkdirSync(join(path, 'sub'), { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
    return path;
  };

  it('uploads a file, shows its signature and says what to type next', async () => {
    const { exitCode, stdout, stderr } = await bms.run(
      'push',
      'tiny',
      bms.file('m.onnx', identityModel()),
      '--notes',
      'first',
    );
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^tiny@1 is registered: \d+ B in 1 file, \d+ B sent, digest dddddddddddd$/m);
    expect(stdout).toMatch(/^ {2}in +x +FP32 +\[batch, 4\]$/m);
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('Next: npx bms publish tiny@1 --wait');
    expect(registered()).toMatchObject([{ tenant: 'default', model: 'tiny', entry: 'm.onnx', notes: 'first' }]);
    expect(bms.mesh.blobs.size).toBe(1);
    expect(bms.mesh.requestsOf('SetVersionState')).toEqual([]);
  });

  it.each([
    ['--publish', ['SetVersionState'], 'tiny@1 is published; the workers load it\nNext: npx bms activate tiny@1'],
    [
      '--wait',
      ['SetVersionState', 'WaitForVersion'],
      'tiny@1 is published and ready on worker-a, worker-b\nNext: npx bms activate tiny@1',
    ],
    [
      '--activate',
      ['SetVersionState', 'WaitForVersion', 'ActivateVersion'],
      'tiny@1 is active (before: tiny@1)\nNext: npx bms versions tiny',
    ],
  ])('goes on with %s', async (flag, methods, end) => {
    const { exitCode, stdout } = await bms.run('push', 'tiny', bms.file('m.onnx', identityModel()), flag);
    expect(exitCode).toBe(0);
    expect(stdout.trimEnd().endsWith(end)).toBe(true);
    const called = bms.mesh.calls.map(({ method }) => method);
    expect(called.slice(called.indexOf('RegisterVersion') + 1)).toEqual(methods);
  });

  it('gives one JSON document with --json', async () => {
    const { stdout, stderr } = await bms.run(
      'push',
      'tiny',
      bms.file('m.onnx', identityModel()),
      '--activate',
      '--json',
    );
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({
      version: { ref: { tenant: 'default', model: 'tiny', version: '1' } },
      published: true,
      readyOn: ['worker-a', 'worker-b'],
      active: true,
      previousVersion: 1,
    });
  });

  it('uploads a folder with all that is in it, and takes its bms.json', async () => {
    const path = folder({ 'model.onnx': identityModel(), 'sub/labels.txt': 'a\nb\n', 'bms.json': '{"replicas": 3}' });
    await bms.run('push', 'tiny', path);
    expect(registered()[0]?.files.map((file) => file.path)).toEqual(['bms.json', 'model.onnx', 'sub/labels.txt']);
    expect(registered()[0]).toMatchObject({ entry: 'model.onnx', config: { replicas: 3 } });
  });

  it('takes the configuration and the entry that were named', async () => {
    const path = folder({ 'a.onnx': identityModel(), 'b.onnx': identityModel('FP64'), 'bms.json': '{"replicas": 3}' });
    const config = bms.file('serve.json', '{"intraOpThreads": 2, "graphOptimization": "basic"}');
    await bms.run('push', 'tiny', path, '--entry', './b.onnx', '--config', config);
    expect(registered()[0]).toMatchObject({
      entry: 'b.onnx',
      config: { replicas: 0, intraOpThreads: 2, graphOptimization: 'basic' },
    });
  });

  it('goes on where an upload broke off, and says so', async () => {
    let broken = false;
    bms.mesh.onReceived = (receivedBytes) => {
      if (broken || receivedBytes < 1_000_000) return;
      broken = true;
      void bms.mesh.restart();
      throw new BmsError(Reason.UPLOAD_INTERRUPTED, 'the cable was pulled');
    };
    const { exitCode, stdout, stderr } = await bms.run('push', 'large', bms.file('m.onnx', largeModel(600_000)));
    expect([exitCode, broken]).toEqual([0, true]);
    expect(stderr).toMatch(/^bms: the upload broke off \(.+\); going on in 0\.\d s$/m);
    expect(stdout).toContain('large@1 is registered: 2.3 MiB in 1 file');
    expect([...bms.mesh.blobs.values()].map(({ byteLength }) => byteLength)).toEqual([largeModel(600_000).byteLength]);
  });

  it('says that the bytes arrived as others than they were, and registers nothing', async () => {
    const file = bms.file('m.onnx', largeModel(600_000));
    bms.mesh.onReceived = () => {
      throw new BmsError(Reason.DIGEST_MISMATCH, 'the bytes have another sha256 than promised');
    };
    const { exitCode, stderr, stdout } = await bms.run('push', 'large', file);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain('another sha256 than promised\n     Push again: the file changed meanwhile');
    expect(registered()).toEqual([]);
  });

  it('leaves nothing half visible on Ctrl-C', async () => {
    bms.mesh.onReceived = () => bms.pressCtrlC();
    const { exitCode, stderr } = await bms.run('push', 'large', bms.file('m.onnx', largeModel(600_000)), '--activate');
    expect(exitCode).toBe(130);
    expect(stderr).toBe('bms: the push was given up; nothing of it is visible\n');
    expect(registered()).toEqual([]);
  });

  it('says that the version is there when what follows fails, and keeps the reason', async () => {
    bms.mesh.models.waitForVersion = async () => {
      throw new BmsError(Reason.MODEL_FAILED, 'worker-a cannot load it: no kernel for Foo');
    };
    const { exitCode, stdout, stderr } = await bms.run(
      'push',
      'tiny',
      bms.file('m.onnx', identityModel()),
      '--activate',
    );
    expect(exitCode).toBe(1);
    expect(stdout).toContain('tiny@1 is registered');
    expect(stderr).toContain(
      'tiny@1 is registered, but what follows was not done: worker-a cannot load it: no kernel for Foo',
    );
    expect(bms.mesh.requestsOf('ActivateVersion')).toEqual([]);
  });

  describe('refuses before a byte is sent', () => {
    afterEach(() => expect(bms.mesh.calls).toEqual([]));

    it.each([
      ['what is not there', () => join(bms.folder, 'none.onnx'), [], 'there is no such file or folder'],
      ['an empty file', () => bms.file('m.onnx', ''), [], 'is empty'],
      ['a zip', () => bms.file('m.onnx', 'PK\u0003\u0004rest'), [], 'is a zip archive: unpack it and push the folder'],
      ['a text', () => bms.file('m.onnx', 'hello world, this is no model'), [], 'm.onnx cannot be served: '],
      ['half a model', () => bms.file('m.onnx', largeModel(1_000).subarray(0, 2_000)), [], 'm.onnx cannot be served: '],
      [
        'several models',
        () => folder({ 'a.onnx': identityModel(), 'b.onnx': identityModel() }),
        [],
        'out of a.onnx, b.onnx',
      ],
      [
        'an entry that is not there',
        () => folder({ 'a.onnx': identityModel() }),
        ['--entry', 'c.onnx'],
        '--entry: "c.onnx" is not one of the files',
      ],
      [
        'an unknown key in bms.json',
        () => folder({ 'a.onnx': identityModel(), 'bms.json': '{"replica": 1}' }),
        [],
        '"replica" is no key: allowed are replicas,',
      ],
      [
        'a config that is not there',
        () => bms.file('m.onnx', identityModel()),
        ['--config', '/none.json'],
        '/none.json cannot be read as JSON',
      ],
    ] as readonly [string, () => string, readonly string[], string][])('%s', async (_name, path, flags, sentence) => {
      const { exitCode, stdout, stderr } = await bms.run('push', 'tiny', path(), ...flags);
      expect([exitCode, stdout]).toEqual([2, '']);
      expect(stderr).toContain(sentence);
    });

    it('a link', async () => {
      symlinkSync(bms.file('m.onnx', identityModel()), join(bms.folder, 'link.onnx'));
      const { exitCode, stderr } = await bms.run('push', 'tiny', join(bms.folder, 'link.onnx'));
      expect(exitCode).toBe(2);
      expect(stderr).toContain('is a link to');
    });

    it('weights that are kept in a file that is not pushed', async () => {
      const model = buildOnnxModel({
        inputs: [{ name: 'x', type: 'FP32', shape: [4] }],
        outputs: [{ name: 'y', type: 'FP32', shape: [4] }],
        nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
        initializers: [{ name: 'w', type: 'FP32', dims: [4], external: { location: 'weights.bin' } }],
      });
      const { exitCode, stderr } = await bms.run('push', 'tiny', bms.file('m.onnx', model));
      expect(exitCode).toBe(2);
      expect(stderr).toContain(
        'm.onnx keeps weights in weights.bin, which is not among the files: push the folder that has both',
      );
    });

    it('weights that are cut off', async () => {
      const { model, data } = externalDataModel();
      const path = folder({ 'm.onnx': model, 'weights.bin': data.subarray(1) });
      const { exitCode, stderr } = await bms.run('push', 'tiny', path);
      expect(exitCode).toBe(2);
      expect(stderr).toContain('weights.bin has 23 bytes, but the weights of m.onnx in it need 24');
    });
  });

  it('publishes nothing that the registry refused', async () => {
    bms.mesh.models.registerVersion = async () => {
      throw new BmsError(Reason.INVALID_MODEL, 'm.onnx: an output of type sequence cannot be served');
    };
    const { exitCode } = await bms.run('push', 'tiny', bms.file('m.onnx', identityModel()), '--activate');
    expect(exitCode).toBe(2);
    expect(bms.mesh.requestsOf<{ state: models.VersionState }>('SetVersionState')).toEqual([]);
  });
});
