import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CallMetadata, inference, models, Reason } from '@bms/contracts';
import { GrpcChannel, GrpcServer } from '@bms/grpc';
import { gatherModel } from '@bms/onnx-inspect/testkit';
import { createMetrics } from '@bms/telemetry';
import { rawOf, typedArrayOf, type Tensor } from '@bms/tensor';
import { createClient, Metadata } from '@bms/transport';
import { systemClock as clock } from './clock';
import { inferRoutes } from './infer.handler';
import { PredictStack } from './predict.stack';
import { runMetrics } from './run-metrics';
import { DevicePermits } from './servables/device-permits';
import { ExecutorPool } from './servables/executor-pool';
import { OnnxExecutor } from './servables/onnx-executor';
import { PredictQueue } from './servables/predict-queue';
import { Servable } from './servables/servable';
import { ServableSet } from './servables/servable-set';
import { tuneVersion } from './tuning/tune-version';

/** Twice as many as a device of one core would get. */
const EXECUTORS = 2;
const REQUESTS = 100;

const folder = mkdtempSync(join(tmpdir(), 'bms-infer-batches-'));
const servables = new ServableSet();
const metrics = createMetrics('inference-worker');
const executors: OnnxExecutor[] = [];
let server: GrpcServer;
let channel: GrpcChannel;

const index = (...values: number[]): Tensor => ({
  name: 'index',
  datatype: 'INT64',
  shape: [values.length],
  data: rawOf(BigInt64Array.from(values, BigInt)),
});

/** A model that looks its rows up in [10, 20, 30], and fails for what is not there. */
async function hold(): Promise<void> {
  const modelFile = join(folder, 'pick.onnx');
  writeFileSync(modelFile, gatherModel());
  const device = { provider: 'cpu', index: undefined };
  const spec = { modelFile, device, intraOpThreads: 1, graphOptimization: 'all', providerOptions: {} } as const;
  for (let at = 0; at < EXECUTORS; at++) executors.push(OnnxExecutor.of(spec, 2 ** 20));
  const { signal } = new AbortController();
  await Promise.all(executors.map((executor) => executor.load(signal)));
  const signature = models.Signature.create({
    inputs: [{ name: 'index', datatype: 'INT64', shape: [-1n], symbols: ['n'] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1n], symbols: ['n'] }],
  });
  const examples = [{ inputs: [index(0)], outputs: ['y'] }];
  const config = models.VersionConfig.create({});
  const { batching } = await tuneVersion(executors[0] as OnnxExecutor, { signature, config, examples, clock, signal });
  const ref = models.VersionRef.create({ tenant: 'default', model: 'pick', version: 1n });
  servables.add(new Servable(ref, signature, new ExecutorPool(executors), { executors: EXECUTORS, batching }));
}

beforeAll(async () => {
  await hold();
  const queue = new PredictQueue({ requests: 1_000, bytes: 1_000_000 }, EXECUTORS, clock);
  const observeRun = runMetrics(metrics, () => servables.all());
  server = new GrpcServer(
    inferRoutes({
      servables,
      predictions: new PredictStack(queue, new DevicePermits(EXECUTORS), clock, observeRun),
      self: { workerId: 'worker-1', incarnation: 'now' },
      isReady: () => true,
      isLeaving: () => false,
      observe: () => undefined,
      bmsVersion: '1.2.3',
    }),
  );
  channel = new GrpcChannel(`127.0.0.1:${await server.listen({ host: '127.0.0.1', port: 0 })}`);
});

afterAll(async () => {
  channel.close();
  await server.close();
  await Promise.all(executors.map((executor) => executor.close()));
  rmSync(folder, { recursive: true });
});

/** The values of an answer, and the rows of the run where it tells them. */
async function pick(...values: number[]): Promise<{ readonly values: number[]; readonly batchRows: number }> {
  let trailers = new Metadata();
  const request = inference.ModelInferRequest.create({
    modelName: 'pick',
    inputs: [{ name: 'index', datatype: 'INT64', shape: [BigInt(values.length)] }],
    rawInputContents: [rawOf(BigInt64Array.from(values, BigInt))],
  });
  const client = createClient(inference.GRPCInferenceServiceDefinition, channel);
  const response = await client.modelInfer(request, { onTrailers: (given) => (trailers = given) });
  return {
    values: [...typedArrayOf('FP32', response.rawOutputContents[0] ?? new Uint8Array())],
    batchRows: Number(trailers.get(CallMetadata.batchRows) ?? 0),
  };
}

async function metric(name: string): Promise<number> {
  const line = new RegExp(`^${name}\\{model="pick".*\\} (\\S+)$|^${name}\\{.*model="pick".*\\} (\\S+)$`, 'm');
  const found = line.exec(await metrics.metrics());
  return Number(found?.[1] ?? found?.[2]);
}

describe('ModelInfer of many callers', () => {
  it('answers each with its own rows, and the rows of all runs are told once', async () => {
    const before = await metric('bms_worker_batch_rows_sum');
    const sizes = Array.from({ length: REQUESTS }, (_, at) => 1 + (at % 3));
    const asked = sizes.map((rows, at) => Array.from({ length: rows }, (_, row) => (at + row) % 3));
    const answers = await Promise.all(asked.map((values) => pick(...values)));
    expect(answers.map(({ values }) => values)).toEqual(asked.map((values) => values.map((value) => (value + 1) * 10)));
    const rows = sizes.reduce((sum, size) => sum + size, 0);
    expect(answers.reduce((sum, { batchRows }) => sum + batchRows, 0)).toBe(rows);
    expect(answers.filter(({ batchRows }) => batchRows > 0).length).toBeLessThan(REQUESTS);
    expect((await metric('bms_worker_batch_rows_sum')) - (before || 0)).toBe(rows);
  });

  it('fails those whose rows are bad, alone', async () => {
    const asked = Array.from({ length: REQUESTS }, (_, at) => (at % 25 === 24 ? 99 : at % 3));
    const answers = await Promise.all(
      asked.map((value) =>
        pick(value).then(
          ({ values }) => values[0],
          (error: { readonly reason: Reason }) => error.reason,
        ),
      ),
    );
    expect(answers).toEqual(asked.map((value) => (value === 99 ? Reason.MODEL_FAILED : (value + 1) * 10)));
    expect(await metric('bms_worker_batch_repeats_total')).toBeGreaterThan(0);
  });

  it('shows what was measured, and how busy executors are, in the metrics', async () => {
    const text = await metrics.metrics();
    expect(text).toMatch(/^bms_worker_profile_rows_per_second\{.*model="pick".*rows="8".*\} [1-9]/m);
    expect(await metric('bms_worker_executors')).toBe(EXECUTORS);
    expect(await metric('bms_worker_executor_busy_seconds_total')).toBeGreaterThan(0);
  });
});
