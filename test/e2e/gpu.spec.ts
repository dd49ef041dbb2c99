import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { models, type meshService } from '@bms/contracts';
import { identityModel } from '@bms/onnx-inspect/testkit';
import { describeWithVulkan, softwareVulkan, type SoftwareVulkan } from './software-vulkan';
import { ROOT, runBms, TestMesh } from './test-mesh';

const DIGITS_FILE = join(ROOT, 'examples/digits/digits-v2.onnx');
const RATE = 40;
const SECONDS = 6;

/** What `bms load --json` says at its end. */
interface LoadSummary {
  readonly sent: number;
  readonly right: number;
  readonly failed: number;
  readonly wrong: number;
}

interface Where {
  readonly state: models.ReplicaState;
  readonly provider: string;
  readonly fellBack: boolean;
  readonly reason: string;
}

function where({ workers }: meshService.GetMeshStatusResponse, model: string): readonly Where[] {
  return workers.flatMap(({ replicas }) =>
    replicas
      .filter(({ ref }) => ref?.model === model)
      .map(({ state, provider, fellBack, reason }) => ({ state, provider, fellBack, reason })),
  );
}

function readyOn(status: meshService.GetMeshStatusResponse, model: string): readonly string[] {
  const ready = where(status, model).filter(({ state }) => state === models.ReplicaState.READY);
  return ready.map(({ provider }) => provider).sort();
}

function noteOf({ versions }: meshService.GetMeshStatusResponse, model: string): string {
  return versions.find(({ ref }) => ref?.model === model)?.placementNote ?? '';
}

describeWithVulkan('a mesh with two WebGPU workers and one on the CPU', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-gpu-'));
  let vulkan: SoftwareVulkan | undefined;
  let mesh: TestMesh;

  beforeAll(async () => {
    vulkan = softwareVulkan();
    const flags = ['--workers', '3', '--device', 'webgpu,webgpu,cpu'];
    mesh = await TestMesh.start({ example: false, flags, env: vulkan?.env ?? {} });
  }, 120_000);

  afterAll(async () => {
    await mesh.stop();
    vulkan?.dispose();
    rmSync(folder, { recursive: true });
  });

  /** Pushes a file, or the digits example's second version, with this config, and publishes it. */
  async function push(model: string, config: Readonly<Record<string, unknown>>, bytes?: Uint8Array): Promise<void> {
    const own = mkdtempSync(join(folder, 'model-'));
    if (bytes === undefined) copyFileSync(DIGITS_FILE, join(own, 'model.onnx'));
    else writeFileSync(join(own, 'model.onnx'), bytes);
    writeFileSync(join(own, 'bms.json'), JSON.stringify(config));
    const { code, err } = await mesh.bms('push', model, own, bytes === undefined ? '--activate' : '--publish');
    if (code !== 0) throw new Error(err);
  }

  async function untilReadyOn(model: string, ...providers: readonly string[]): Promise<void> {
    await mesh.until(async () => readyOn(await mesh.status(), model).join() === providers.join());
  }

  /** Drives checked requests while `disturb` runs, and answers what became of them. */
  async function under(model: string, disturb: () => Promise<void>): Promise<LoadSummary> {
    const load = runBms([
      'load',
      model,
      ...['--rate', String(RATE), '--seconds', String(SECONDS), '--json'],
      ...['--data', mesh.data, '--port-base', String(mesh.portBase)],
    ]);
    await new Promise((next) => setTimeout(next, 2_000)); // into the load: this test is about time
    await disturb();
    const { out, err, code } = await load;
    const last = out.trim().split('\n').at(-1) ?? '';
    if (code !== 0) throw new Error(`bms load ended with ${code}: ${last} ${err}`);
    return (JSON.parse(last) as { summary: LoadSummary }).summary;
  }

  async function probabilities(model: string, seed: number): Promise<readonly number[]> {
    const client = mesh.client();
    try {
      const data = Float32Array.from({ length: 64 }, (_, at) => (at * 7 + seed * 13) % 17);
      const { outputs } = await client.infer({ model, inputs: { pixels: { datatype: 'FP32', shape: [1, 64], data } } });
      return [...(outputs['probabilities']?.data ?? [])].map(Number);
    } finally {
      client.close();
    }
  }

  it('says what each worker runs on', async () => {
    const { workers } = await mesh.status();
    const devices = workers.map(({ device }) => [device?.provider, device?.name ?? '']);
    expect(devices.filter(([provider]) => provider === 'webgpu')).toEqual([
      ['webgpu', 'Vulkan driver software.json'],
      ['webgpu', 'Vulkan driver software.json'],
    ]);
  });

  it('answers on WebGPU as on the CPU', async () => {
    await push('on-gpu', { device: 'gpu', providerOptions: { webgpu: { preferredLayout: 'NHWC' } } });
    await push('on-cpu', { device: 'cpu' });
    await untilReadyOn('on-gpu', 'webgpu', 'webgpu');
    await untilReadyOn('on-cpu', 'cpu');
    for (let seed = 0; seed < 10; seed++) {
      const [gpu, cpu] = [await probabilities('on-gpu', seed), await probabilities('on-cpu', seed)];
      expect(gpu).toHaveLength(10);
      gpu.forEach((one, at) => expect(Math.abs(one - (cpu[at] ?? NaN))).toBeLessThan(1e-5));
    }
  }, 60_000);

  it('fails no request and answers none wrongly when one of two WebGPU workers is killed', async () => {
    await untilReadyOn('on-gpu', 'webgpu', 'webgpu');
    const summary = await under('on-gpu', async () => mesh.killAndAwaitSuccessor('worker-0', 'SIGKILL'));
    expect(summary).toMatchObject({ failed: 0, wrong: 0, right: summary.sent });
    expect(summary.sent).toBeGreaterThan(RATE * (SECONDS - 1));
    await untilReadyOn('on-gpu', 'webgpu', 'webgpu');
  }, 60_000);

  it('goes on with the CPU when all WebGPU workers die, where the version allows that', async () => {
    await push('on-either', { device: 'gpu', fallback: 'cpu', replicas: 3 });
    await untilReadyOn('on-either', 'cpu', 'webgpu', 'webgpu');
    const summary = await under('on-either', async () => {
      await Promise.all([
        mesh.killAndAwaitSuccessor('worker-0', 'SIGKILL'),
        // Not in the same instant: a call is sent again once only.
        new Promise((next) => setTimeout(next, 250)).then(() => mesh.killAndAwaitSuccessor('worker-1', 'SIGKILL')),
      ]);
    });
    expect(summary).toMatchObject({ failed: 0, wrong: 0, right: summary.sent });
    await untilReadyOn('on-either', 'cpu', 'webgpu', 'webgpu');
  }, 60_000);

  it('loads a second time, on the CPU, what WebGPU cannot run, and shows it; without that wish it fails', async () => {
    const texts = identityModel('BYTES', ['n']);
    await push('texts-either', { device: 'gpu', fallback: 'cpu' }, texts);
    await push('texts-gpu', { device: 'gpu', replicas: 1 }, texts);
    await push('wrong-option', { device: 'gpu', replicas: 1, providerOptions: { webgpu: { abacus: '1' } } }, texts);
    await mesh.until(async () => {
      const status = await mesh.status();
      return (
        where(status, 'texts-either').filter(({ fellBack, provider }) => fellBack && provider === 'cpu').length === 2 &&
        noteOf(status, 'texts-gpu').includes('webgpu cannot run it as a whole: This session contains graph nodes') &&
        noteOf(status, 'texts-gpu').includes('"fallback": "cpu"') &&
        noteOf(status, 'wrong-option').includes("WebGPU EP has an unrecognized option: 'abacus'")
      );
    });
  }, 60_000);
});

describe('a mesh without a GPU', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await TestMesh.start({ example: false, flags: ['--workers', '1', '--device', 'cpu'] });
  }, 120_000);
  afterAll(async () => {
    await mesh.stop();
  });

  it('does not serve a version that wishes for one and allows nothing else, and says why', async () => {
    const { code, err } = await mesh.bms('push', 'digits', DIGITS_FILE, '--device', 'gpu', '--publish');
    expect([code, err]).toEqual([0, expect.any(String)]);
    await mesh.until(async () => noteOf(await mesh.status(), 'digits') !== '');
    const status = await mesh.status();
    expect(noteOf(status, 'digits')).toMatch(
      /^0 of 2 wanted: no worker has a gpu: \S+ runs on cpu; its config allows no/,
    );
    expect(where(status, 'digits')).toEqual([]);
    const client = mesh.client();
    const pixels = { datatype: 'FP32' as const, shape: [1, 64], data: new Float32Array(64) };
    await expect(client.infer({ model: 'digits', version: 1, inputs: { pixels } })).rejects.toThrow();
    client.close();
  }, 60_000);

  it('serves it on the CPU where its config allows that', async () => {
    const wish = ['--device', 'gpu', '--fallback', 'cpu'];
    const { code, err } = await mesh.bms('push', 'digits-either', DIGITS_FILE, ...wish, '--publish', '--wait');
    expect([code, err]).toEqual([0, expect.any(String)]);
    expect(readyOn(await mesh.status(), 'digits-either')).toEqual(['cpu']);
  }, 60_000);
});
