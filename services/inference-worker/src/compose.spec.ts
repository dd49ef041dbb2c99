import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inference, models, Reason, workerService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { FolderTakenError, StartError, type RunningService } from '@bms/lifecycle';
import { matMulModel } from '@bms/onnx-inspect/testkit';
import { createLogger } from '@bms/telemetry';
import { rawOf, typedArrayOf } from '@bms/tensor';
import { createClient } from '@bms/transport';
import { startWorker, type WorkerRuntime } from './compose';
import { loadConfig } from './config';
import { desiredVersion } from './lifecycle/wanted-version.testkit';
import { FakeRegistry, type Attachment } from './presence/fake-registry.testkit';
import { DEVICE_FAILURE_EXIT_CODE } from './servables/device-health';
import { FakeExecutor } from './servables/fake-executor.testkit';

const { READY, FAILED } = models.ReplicaState;
const quiet = Object.assign(createLogger('spec', 'error'), { level: 'silent' });

let data: string;
let registry: FakeRegistry;
let address: string;
const running: RunningService[] = [];
const channels: GrpcChannel[] = [];

beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'bms-worker-'));
  registry = new FakeRegistry();
  address = await registry.start();
});

afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  await Promise.all(running.splice(0).map((worker) => worker.stop(AbortSignal.abort())));
  await registry.stop();
  rmSync(data, { recursive: true });
});

/** How the worker asked to be ended. */
const asked: (readonly [reason: string, exitCode: number | undefined])[] = [];

async function start(...flags: string[]): Promise<RunningService> {
  return startOn(undefined, ...flags);
}

async function startOn(runtime: WorkerRuntime | undefined, ...flags: string[]): Promise<RunningService> {
  const argv = ['--data', data, '--grpc-port', '0', '--operations-port', '0', '--registry', address, ...flags];
  const requestStop = (reason: string, exitCode?: number): void => void asked.push([reason, exitCode]);
  const worker = await startWorker(loadConfig({ argv, env: {} }), { requestStop }, quiet, runtime);
  running.push(worker);
  return worker;
}

/** A desired set's entry whose only file is `bytes`. */
function desired(model: string, version: number, bytes: Uint8Array): workerService.DesiredVersion {
  const sha256 = registry.addBlob(bytes);
  const files = [models.ArtifactFile.create({ path: 'model.onnx', sizeBytes: BigInt(bytes.byteLength), sha256 })];
  return desiredVersion(model, version, { digest: sha256, sizeBytes: bytes.byteLength, files });
}

function replica(report: workerService.WorkerReport, model: string): models.ReplicaStatus | undefined {
  return report.replicas.find(({ ref }) => ref?.model === model);
}

async function attachmentOf(desiredVersions: readonly workerService.DesiredVersion[]): Promise<Attachment> {
  const attachment = await registry.nextAttachment();
  attachment.attached();
  attachment.desire(1n, ...desiredVersions);
  return attachment;
}

async function predict(worker: RunningService, model: string): Promise<number[]> {
  const channel = new GrpcChannel(String(worker.facts['grpc']));
  channels.push(channel);
  const request = inference.ModelInferRequest.create({
    modelName: model,
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 2n] }],
    rawInputContents: [rawOf(new Float32Array([1, 1]))],
  });
  const response = await createClient(inference.GRPCInferenceServiceDefinition, channel).modelInfer(request);
  return [...typedArrayOf('FP32', response.rawOutputContents[0] ?? new Uint8Array())];
}

async function readyz(worker: RunningService): Promise<number> {
  return (await fetch(`http://${worker.facts['operations']}/readyz`)).status;
}

describe('a worker', () => {
  it('fetches, loads, warms up and serves what is desired, and says what it measured', async () => {
    const worker = await start();
    expect(await readyz(worker)).toBe(503);
    const attachment = await attachmentOf([desired('mul', 1, matMulModel())]);
    const hello = await attachment.hello();
    expect(hello).toMatchObject({ address: worker.facts['grpc'], operationsAddress: worker.facts['operations'] });
    expect(hello.device).toMatchObject({ provider: 'cpu', name: expect.stringMatching(/cores$/) });
    const report = await attachment.report((given) => replica(given, 'mul')?.state === READY);
    expect(report.generation).toBe(1n);
    expect(report.memory?.totalBytes).toBeGreaterThan(report.memory?.freeBytes ?? 0n);
    expect(replica(report, 'mul')?.unwarmed).toBe(false);
    expect(await predict(worker, 'mul')).toEqual([5, 7, 9]);
    expect(await readyz(worker)).toBe(200);
    const metrics = await (await fetch(`http://${worker.facts['operations']}/metrics`)).text();
    expect(metrics).toMatch(
      /bms_worker_requests_total\{tenant="default",model="mul",version="1",outcome="answered",.*\} 1/,
    );
    expect(metrics).toMatch(/bms_worker_replicas\{state="ready",.*\} 1/);
  });

  it('holds as many sessions of a version as it is told, and joins what waits for them', async () => {
    const worker = await start('--executors', '2');
    const attachment = await attachmentOf([desired('mul', 1, matMulModel())]);
    await attachment.report((given) => replica(given, 'mul')?.state === READY);
    expect((await attachment.hello()).device?.concurrentRuns).toBeGreaterThanOrEqual(2);
    const answers = await Promise.all(Array.from({ length: 20 }, () => predict(worker, 'mul')));
    expect(answers).toEqual(answers.map(() => [5, 7, 9]));
    const metrics = await (await fetch(`http://${worker.facts['operations']}/metrics`)).text();
    expect(metrics).toMatch(/^bms_worker_executors\{tenant="default",model="mul",version="1",.*\} 2$/m);
    expect(metrics).toMatch(/^bms_worker_batch_rows_sum\{.*model="mul".*\} 20$/m);
  });

  it('tells why a version cannot be loaded, without paths of this machine, and serves the others', async () => {
    const worker = await start();
    const broken = new TextEncoder().encode('no model at all');
    const attachment = await attachmentOf([desired('broken', 1, broken), desired('mul', 1, matMulModel())]);
    const report = await attachment.report(
      (given) => replica(given, 'broken')?.state === FAILED && replica(given, 'mul')?.state === READY,
    );
    expect(replica(report, 'broken')?.reason).toMatch(/Protobuf parsing failed/);
    expect(replica(report, 'broken')?.reason).not.toContain(data);
    expect(await predict(worker, 'mul')).toEqual([5, 7, 9]);
  });

  it('goes on serving when the registry is gone, and takes up where it was when one is back', async () => {
    const worker = await start();
    const first = await attachmentOf([desired('mul', 1, matMulModel())]);
    await first.report((given) => replica(given, 'mul')?.state === READY);
    await registry.stop();
    expect(await predict(worker, 'mul')).toEqual([5, 7, 9]);
    await registry.start(Number(address.split(':')[1]));
    const second = await registry.nextAttachment();
    second.attached();
    const report = await second.report();
    expect([report.generation, replica(report, 'mul')?.state]).toEqual([1n, READY]);
    expect((await second.hello()).incarnation).toBe((await first.hello()).incarnation);
  });

  it('drains: asks to be taken out of the routes, answers meanwhile, and ends once that was acknowledged', async () => {
    const worker = await start();
    const attachment = await attachmentOf([desired('mul', 1, matMulModel())]);
    await attachment.report((given) => replica(given, 'mul')?.state === READY);
    running.pop();
    const stopped = worker.stop(new AbortController().signal);
    await attachment.receive(({ kind }) => (kind?.$case === 'draining' ? true : undefined));
    expect(await predict(worker, 'mul')).toEqual([5, 7, 9]);
    attachment.send({ $case: 'drainAcknowledged', value: {} });
    await stopped;
    await expect(predict(worker, 'mul')).rejects.toMatchObject({ reason: Reason.CONNECTION_FAILED });

    const again = await start();
    const next = await registry.nextAttachment();
    const [before, after] = [await attachment.hello(), await next.hello()];
    expect(after.workerId).toBe(before.workerId);
    expect(after.incarnation).not.toBe(before.incarnation);
    expect(again.facts['grpc']).toBe(after.address);
  });

  it('does not start on a folder that another one holds', async () => {
    await start();
    await expect(start()).rejects.toBeInstanceOf(FolderTakenError);
    await expect(start('--state', join(data, 'another'))).resolves.toBeDefined();
  });

  it('says which port is taken and which setting moves it, and lets go of its folder', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const starting = start('--operations-port', String(port));
    await expect(starting).rejects.toThrow(StartError);
    await expect(starting).rejects.toThrow(new RegExp(`port ${port} .*--operations-port \\(BMS_OPERATIONS_PORT\\)`));
    taken.close();
    await expect(start()).resolves.toBeDefined();
  });

  it.each([
    ['cuda:0', /device \(--device, BMS_DEVICE\) is "cuda:0": cuda:0 cannot be used: .*onnxruntime-node .* offers cpu/],
    ['abacus', /abacus cannot be used: it is not among them/],
    ['GPU 1', /allowed is such as cpu, cuda:0, webgpu/],
  ])('does not start on the device %s instead of another one', async (device, message) => {
    await expect(start('--device', device, '--state', join(data, 'w'))).rejects.toThrow(message);
  });

  it('finds a device by itself, says which in its metrics, and has no memory to tell of where there is none', async () => {
    const worker = await start('--device', 'auto');
    const hello = await (await registry.nextAttachment()).hello();
    const metrics = await (await fetch(`http://${worker.facts['operations']}/metrics`)).text();
    expect(metrics).toContain(`bms_worker_device_info{device="${hello.device?.provider ?? ''}",name="`);
    if (hello.device?.memoryBytes === 0n) expect(metrics).not.toMatch(/^bms_worker_device_memory_free_bytes\{/m);
  });
});

describe('a worker whose device fails', () => {
  const FATAL = 'CUDA failure 700: an illegal memory access was encountered';

  /** A GPU that is lost to whoever runs on it. */
  function failingGpu(): WorkerRuntime & { fails: boolean } {
    const gpu = {
      fails: false,
      openDevice: async () => ({ device: { provider: 'dml', index: undefined }, why: 'the spec says so' }),
      makeExecutor: () => {
        const executor = new FakeExecutor();
        executor.answer = ({ inputs }) =>
          gpu.fails
            ? { kind: 'failed', message: FATAL, computeUs: 1 }
            : { kind: 'answered', outputs: inputs, computeUs: 1 };
        const load = executor.load.bind(executor);
        executor.load = async (signal) => {
          const loading = load(signal);
          executor.loaded();
          return loading;
        };
        return executor;
      },
    };
    return gpu;
  }

  it('answers what was on board so that routers replay it, takes nothing more, says why, and asks for a new process', async () => {
    asked.length = 0;
    const gpu = failingGpu();
    const worker = await startOn(gpu);
    const attachment = await attachmentOf([desired('mul', 1, matMulModel())]);
    const ready = await attachment.report((given) => replica(given, 'mul')?.state === READY);
    expect(replica(ready, 'mul')).toMatchObject({ provider: 'dml', fellBack: false });
    expect((await attachment.hello()).device?.kind).toBe(workerService.DeviceKind.GPU);
    gpu.fails = true;

    await expect(predict(worker, 'mul')).rejects.toMatchObject({ reason: Reason.WORKER_LOST });
    await expect(predict(worker, 'mul')).rejects.toMatchObject({ reason: Reason.DRAINING });
    expect(await readyz(worker)).toBe(503);
    const report = await attachment.report(({ deviceFailure }) => deviceFailure !== '');
    expect(report.deviceFailure).toBe(FATAL);
    expect(asked).toEqual([[`the device dml needs a new process: ${FATAL}`, DEVICE_FAILURE_EXIT_CODE]]);
  });

  it('holds back a version that has taken the device with it twice', async () => {
    for (let death = 0; death < 2; death++) {
      const gpu = failingGpu();
      const worker = await startOn(gpu);
      const attachment = await attachmentOf([desired('mul', 1, matMulModel())]);
      await attachment.report((given) => replica(given, 'mul')?.state === READY);
      gpu.fails = true;
      await expect(predict(worker, 'mul')).rejects.toMatchObject({ reason: Reason.WORKER_LOST });
      await attachment.report((given) => replica(given, 'mul')?.state === FAILED);
      running.pop();
      await worker.stop(AbortSignal.abort());
    }
    await startOn(failingGpu());
    const attachment = await attachmentOf([desired('mul', 1, matMulModel())]);
    const report = await attachment.report((given) => replica(given, 'mul')?.state === FAILED);
    expect(replica(report, 'mul')?.reason).toMatch(/^quarantined: .*takes the device with it/);
  });
});
