import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { identityModel } from '@bms/onnx-inspect/testkit';
import { ROOT, runBms, TestMesh } from './test-mesh';

/** Waits for the operating system to have let go of all of these. */
async function untilGone(pids: readonly number[]): Promise<void> {
  const isAlive = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  const endMs = Date.now() + 15_000;
  while (pids.some(isAlive)) {
    if (Date.now() > endMs) throw new Error(`still alive: ${pids.filter(isAlive).join(', ')}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

describe('a mesh of real processes', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await TestMesh.start();
  }, 120_000);
  afterAll(async () => {
    await mesh.stop();
  });

  it('prints proof, addresses and lines to paste', () => {
    const text = mesh.lines.join('\n');
    expect(text).toMatch(/BMS is up: predictions flow \(digits@2 answered in [0-9.]+ ms\)/);
    expect(text).toContain(`curl -s ${mesh.rest}/v1/models/digits:predict -d @examples/digits/sample.rest.json`);
    expect(text).toContain(`grpcurl -plaintext -d @ ${mesh.router}`);
    expect(text).toContain('npx tsx examples/digits/predict.ts');
  });

  it('runs each service as a process of its own', () => {
    expect(new Set(Object.values(mesh.pids())).size).toBe(5);
  });

  it('answers the pasted REST sample', async () => {
    const { readFileSync } = await import('node:fs');
    const body = readFileSync(join(ROOT, 'examples/digits/sample.rest.json'), 'utf8');
    const answer = await fetch(`${mesh.rest}/v1/models/digits:predict`, { method: 'POST', body });
    const { predictions } = (await answer.json()) as {
      predictions: readonly { label: number; probabilities: number[] }[];
    };
    expect(answer.status).toBe(200);
    expect(predictions[0]?.probabilities).toHaveLength(10);
    expect(predictions[0]?.label).toBe(
      predictions[0]?.probabilities.indexOf(Math.max(...predictions[0].probabilities)),
    );
  });

  it('answers a client stub made by proto-loader from proto/, by version and by label', async () => {
    const definition = loadSync(join(ROOT, 'proto/wire/inference/grpc_service.proto'), { longs: String });
    const { GRPCInferenceService } = (loadPackageDefinition(definition)['inference'] ?? {}) as Record<
      string,
      ServiceClientConstructor
    >;
    const stub = new (GRPCInferenceService as ServiceClientConstructor)(
      mesh.router,
      credentials.createInsecure(),
    ) as Client & Record<string, (request: unknown, done: (error: Error | null, answer: unknown) => void) => void>;
    const call = (method: string, request: unknown): Promise<Record<string, unknown>> =>
      new Promise((resolve, reject) => {
        (stub[method] as (request: unknown, done: (error: Error | null, answer: unknown) => void) => void).call(
          stub,
          request,
          (error, answer) => (error === null ? resolve(answer as Record<string, unknown>) : reject(error)),
        );
      });
    const pixels = {
      name: 'pixels',
      datatype: 'FP32',
      shape: ['1', '64'],
      contents: { fp32Contents: new Array<number>(64).fill(0) },
    };
    for (const [version, answered] of [
      ['', '2'],
      ['1', '1'],
      ['2', '2'],
    ]) {
      const answer = await call('ModelInfer', {
        modelName: 'digits',
        modelVersion: version,
        id: 'my-id',
        inputs: [pixels],
      });
      expect(answer).toMatchObject({ modelName: 'digits', modelVersion: answered, id: 'my-id' });
      const outputs = answer['outputs'] as readonly {
        name: string;
        contents: { int64Contents?: string[]; fp32Contents?: number[] };
      }[];
      expect(outputs.find(({ name }) => name === 'label')?.contents.int64Contents).toHaveLength(1);
      expect(outputs.find(({ name }) => name === 'probabilities')?.contents.fp32Contents).toHaveLength(10);
    }
    expect(await call('ModelMetadata', { name: 'digits' })).toMatchObject({
      versions: ['1', '2'],
      inputs: [{ name: 'pixels', datatype: 'FP32', shape: ['-1', '64'] }],
    });
    stub.close();
  });

  it('predicts the held-out half through the mesh with the accuracy that was measured', async () => {
    const { code, out } = await mesh.bms('predict', 'digits', '--held-out');
    expect({ code, out }).toMatchObject({ code: 0 });
  }, 60_000);

  it('pushes, publishes, activates, rolls back, labels, takes offline and deletes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bms-push-'));
    writeFileSync(join(folder, 'model.onnx'), identityModel());
    const ok = async (...args: readonly string[]): Promise<string> => {
      const { code, out, err } = await mesh.bms(...args);
      expect({ args, code, err }).toMatchObject({ code: 0 });
      return out;
    };
    try {
      expect(await ok('push', 'mine', folder, '--notes', 'first')).toContain('npx bms publish mine@1');
      await ok('publish', 'mine@1');
      await ok('activate', 'mine@1');
      await ok('push', 'mine', join(folder, 'model.onnx'), '--activate', '--notes', 'second');
      await ok('label', 'mine', 'stable=1');
      expect(await ok('versions', 'mine')).toMatch(/first[\s\S]*second|second[\s\S]*first/);
      await ok('rollback', 'mine');
      const refused = await mesh.bms('offline', 'mine@1');
      expect(refused.code).toBe(1);
      expect(refused.err).toContain('--force');
      await ok('offline', 'mine@2');
      await ok('delete', 'mine@2');
      expect(await ok('models')).toContain('mine');
      expect(await ok('status')).toContain('mine');
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);

  it('refuses a second mesh on the same folder and names the first', async () => {
    const second = await runBms(['up', '--data', mesh.data, '--port-base', '50100']);
    expect(second.code).toBe(1);
    expect(second.err).toContain(`bms up (pid ${mesh.pid})`);
    expect(second.err).toContain('--data');
  });

  it('refuses a change without the service token', async () => {
    const { code, err } = await runBms([
      'publish',
      'digits@1',
      '--data',
      join(mesh.data, 'elsewhere'),
      '--port-base',
      String(mesh.portBase),
    ]);
    expect(code).toBe(1);
    expect(err).toContain('service token');
  });
});

describe('bms up', () => {
  it('keeps every model, version and label through kill -9 of all, and ends cleanly on SIGTERM', async () => {
    const first = await TestMesh.start();
    await first.bms('label', 'digits', 'stable=1');
    const pids = Object.values(first.pids());
    await first.killGroup();
    await untilGone(pids);

    const second = await TestMesh.start({ data: first.data });
    const client = second.client();
    const { model } = await client.models.getModel({ tenant: 'default', model: 'digits' });
    expect(model?.model).toMatchObject({ activeVersion: 2n });
    expect([...Object.entries(model?.model?.labels ?? {})]).toEqual([['stable', 1n]]);
    expect(model?.versions).toHaveLength(2);
    client.close();

    const survivors = Object.values(second.pids());
    expect(await second.stop({ keepData: true })).toBe(0);
    await untilGone(survivors);
    expect(existsSync(join(first.data, 'owner.json'))).toBe(false);
    rmSync(first.data, { recursive: true });
  }, 180_000);

  it('leaves no process when the supervisor alone is killed', async () => {
    const mesh = await TestMesh.start({ example: false });
    const pids = Object.values(mesh.pids());
    process.kill(mesh.pid, 'SIGKILL');
    await untilGone(pids);
    await mesh.stop();
  }, 60_000);

  it.each([
    ['an unwritable folder', ['--data', '/proc/bms'], 'choose another with --data'],
    ['an unknown flag', ['--prot-base', '1'], '--port-base'],
    ['a host beyond loopback', ['--host', '0.0.0.0'], '--insecure'],
    ['a port that is no port', ['--port-base', 'x'], 'setting portBase'],
  ])('says in one sentence what is wrong: %s', async (_name, flags, sentence) => {
    const { code, err } = await runBms(['up', ...flags]);
    expect(code).not.toBe(0);
    expect(err).toContain(sentence);
    expect(err.trim().split('\n').length).toBeLessThanOrEqual(2);
  });

  it('names a taken port, who has it, and the setting to change', async () => {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const data = mkdtempSync(join(tmpdir(), 'bms-taken-'));
    try {
      const { code, err } = await runBms(['up', '--data', data, '--port-base', String(port)]);
      expect(code).toBe(1);
      expect(err).toContain(`port ${port} `);
      expect(err).toContain('--port-base');
      if (process.platform === 'linux') expect(err).toContain(`(pid ${process.pid})`);
    } finally {
      server.close();
      rmSync(data, { recursive: true });
    }
  });
});
