import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEtcd, describeWithEtcd, type EtcdProcess } from '@bms/metastore/testkit';
import { BmsClient } from '@bms/sdk';
import { ROOT, runBms, TestMesh } from './test-mesh';

const REPLICAS = ['--registries', '2', '--routers', '2'];
const BOUND_MS = 120_000;

describeWithEtcd('a mesh over etcd', () => {
  let etcd: EtcdProcess;
  let mesh: TestMesh;
  const folder = mkdtempSync(join(tmpdir(), 'bms-etcd-mesh-'));

  beforeAll(async () => {
    etcd = await startEtcd();
    mesh = await TestMesh.start({ flags: ['--store', `etcd://${etcd.endpoint}`, ...REPLICAS] });
  }, BOUND_MS);
  afterAll(async () => {
    await mesh.stop();
    await etcd.dispose();
    rmSync(folder, { recursive: true });
  });

  /** What the example says to one picture, asked of one router. */
  async function answerOf(router: string): Promise<unknown> {
    const client = new BmsClient({ router, retry: { attempts: 1 } });
    const pixels = Float32Array.from({ length: 64 }, (_, at) => (at * 7) % 17);
    try {
      const { outputs, version } = await client.infer({
        model: 'digits',
        inputs: { pixels: { datatype: 'FP32', shape: [1, 64], data: pixels } },
      });
      return { version, probabilities: [...(outputs['probabilities']?.data as Float32Array)] };
    } finally {
      client.close();
    }
  }

  it('runs each replica as a process of its own, and shows them all', async () => {
    expect(Object.keys(mesh.pids()).sort()).toEqual(
      ['admin', 'registry', 'registry-1', 'router', 'router-1', 'worker-0', 'worker-1'].sort(),
    );
    const text = mesh.lines.join('\n');
    for (const offset of [0, 10, 200, 210]) expect(text).toContain(mesh.address(offset));
    expect(text).toContain(`store      etcd://${etcd.endpoint}`);
    const { code, out } = await mesh.bms('status');
    expect(code).toBe(0);
    expect(out).toContain(`etcd store at ${etcd.endpoint}`);
    expect(out.match(/^ {2}\S+ +reachable/gm)).toHaveLength(2);
    expect(out.match(/reachable +leader/g)).toHaveLength(1);
  }, 30_000);

  it('answers the same through both routers', async () => {
    const answer = await answerOf(mesh.address(0));
    expect(answer).toMatchObject({ version: 2 });
    expect(await answerOf(mesh.address(10))).toEqual(answer);
  });

  it('changes and serves on while either registry is dead', async () => {
    for (const name of ['registry', 'registry-1']) {
      process.kill(mesh.pids()[name] ?? 0, 'SIGKILL');
      await expect(answerOf(mesh.address(0))).resolves.toMatchObject({ version: 2 });
      const { code, err } = await mesh.bms('label', 'digits', `while-${name}-is-dead=1`);
      expect([code, err]).toEqual([0, '']);
      await mesh.until(async () => (await mesh.status()).registries.filter(({ reachable }) => reachable).length === 2);
    }
  }, 60_000);

  it('gives a version back as it was pushed', async () => {
    const { code, err } = await mesh.bms('pull', 'digits@2', join(folder, 'pulled'));
    expect([code, err]).toEqual([0, '']);
    expect(readFileSync(join(folder, 'pulled', 'digits-v2.onnx'))).toEqual(
      readFileSync(join(ROOT, 'examples/digits/digits-v2.onnx')),
    );
  });

  it('answers the same out of an embedded store, once it was moved there', async () => {
    const answer = await answerOf(mesh.address(0));
    const { meshId } = await mesh.status();
    await mesh.stop({ keepData: true });
    const data = join(folder, 'moved');
    const there = join(folder, 'export');
    const exported = await runBms([
      'store',
      'export',
      there,
      '--data',
      mesh.data,
      '--store',
      `etcd://${etcd.endpoint}`,
    ]);
    expect(exported).toMatchObject({ code: 0, err: '' });
    expect(exported.out).toContain(`mesh ${meshId} at revision`);
    const imported = await runBms(['store', 'import', there, '--data', data, '--json']);
    expect(imported).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(imported.out)).toMatchObject({ meshId, models: 1, versions: 2 });
    const moved = await TestMesh.start({ data, example: false });
    try {
      expect(await answerOf(moved.address(0))).toEqual(answer);
      const { meshId: movedId, store } = await moved.status();
      expect([movedId, store]).toEqual([meshId, 'embedded']);
      await moved.until(async () => {
        const { versions } = await moved.status();
        return versions.length === 2 && versions.every(({ readyReplicas }) => readyReplicas === 2);
      });
      const running = await runBms(['store', 'export', join(folder, 'second'), '--data', data]);
      expect(running.code).toBe(1);
      expect(running.err).toMatch(
        new RegExp(
          `^bms: the mesh in .* is running, and its store belongs to its registry \\(pid ${moved.pids()['registry']}\\): stop`,
        ),
      );
    } finally {
      await moved.stop({ keepData: true });
    }
  }, 90_000);
});

describe('bms up over a store that cannot be used', () => {
  it.each([
    ['registries over the embedded store', ['--registries', '2'], 2, 'the embedded store belongs to one registry'],
    ['an address that is none', ['--store', 'etcd//x'], 1, 'setting store (--store, BMS_STORE) is "etcd//x"'],
    [
      'a password file that is not there',
      ['--store', 'etcd://127.0.0.1:1', '--store-user', 'u', '--store-password-file', '/no'],
      1,
      '/no',
    ],
  ])(
    'ends with one sentence for %s',
    async (_name, flags, code, sentence) => {
      const data = mkdtempSync(join(tmpdir(), 'bms-no-store-'));
      const result = await runBms(['up', '--data', data, '--port-base', '61000', ...flags]);
      rmSync(data, { recursive: true });
      expect(result.err).toContain(sentence);
      expect(result.code).toBe(code);
    },
    30_000,
  );
});
