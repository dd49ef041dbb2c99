import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BmsError, CallMetadata, inference, models, Reason, reasonName } from '@bms/contracts';
import { GrpcChannel, GrpcServer } from '@bms/grpc';
import { inspectOnnxFile } from '@bms/onnx-inspect';
import { gatherModel, matMulModel, textIdentityModel } from '@bms/onnx-inspect/testkit';
import { rawOf, typedArrayOf } from '@bms/tensor';
import { createClient, Metadata, type CallOptions } from '@bms/transport';
import { systemClock } from './clock';
import { inferRoutes, type PredictionObserved } from './infer.handler';
import { PredictStack } from './predict.stack';
import { DevicePermits } from './servables/device-permits';
import { OnnxExecutor } from './servables/onnx-executor';
import { PredictQueue } from './servables/predict-queue';
import { Servable } from './servables/servable';
import { ServableSet } from './servables/servable-set';

const SELF = { workerId: 'worker-1', incarnation: 'now' };
const folder = mkdtempSync(join(tmpdir(), 'bms-infer-'));
const servables = new ServableSet();
const seen: PredictionObserved[] = [];
let leaving = false;
let server: GrpcServer;
let channel: GrpcChannel;

/** Holds a model ready as `<tenant>/<model>@<version>`. */
async function hold(tenant: string, model: string, version: bigint, bytes: Uint8Array): Promise<Servable> {
  const modelFile = join(folder, `${tenant}-${model}-${version}.onnx`);
  writeFileSync(modelFile, bytes);
  const device = { provider: 'cpu', index: undefined };
  const executor = OnnxExecutor.of(
    { modelFile, device, intraOpThreads: 1, graphOptimization: 'all', providerOptions: {} },
    64 * 2 ** 20,
  );
  await executor.load(new AbortController().signal);
  const signature = await signatureOf(modelFile);
  const servable = new Servable(models.VersionRef.create({ tenant, model, version }), signature, executor);
  servables.add(servable);
  return servable;
}

async function signatureOf(modelFile: string): Promise<models.Signature> {
  return (await inspectOnnxFile(modelFile, new AbortController().signal)).signature;
}

beforeAll(async () => {
  await hold('default', 'mul', 1n, matMulModel());
  await hold('default', 'mul', 2n, matMulModel(100));
  await hold('other', 'mul', 7n, matMulModel(700));
  await hold('default', 'pick', 1n, gatherModel());
  await hold('default', 'echo', 1n, textIdentityModel());
  const queue = new PredictQueue({ requests: 1_000, bytes: 1_000_000 }, 1, systemClock);
  const predictions = new PredictStack(queue, new DevicePermits(1), systemClock);
  server = new GrpcServer(
    inferRoutes({
      servables,
      predictions,
      self: SELF,
      isReady: () => true,
      isLeaving: () => leaving,
      observe: (prediction) => seen.push(prediction),
      bmsVersion: '1.2.3',
    }),
  );
  channel = new GrpcChannel(`127.0.0.1:${await server.listen({ host: '127.0.0.1', port: 0 })}`);
});

afterEach(() => {
  leaving = false;
  seen.length = 0;
});

afterAll(async () => {
  channel.close();
  await server.close();
  const all = [...servables.versionsOf('default', 'mul'), ...servables.versionsOf('other', 'mul')];
  const rest = ['pick', 'echo'].flatMap((model) => servables.versionsOf('default', model));
  await Promise.all([...all, ...rest].map(({ executor }) => executor.close()));
  rmSync(folder, { recursive: true });
});

const client = () => createClient(inference.GRPCInferenceServiceDefinition, channel);

type Request = Parameters<typeof inference.ModelInferRequest.create>[0];

/** [1, 1] for `mul`, and what makes it otherwise. */
function request(more: Request = {}): inference.ModelInferRequest {
  return inference.ModelInferRequest.create({
    modelName: 'mul',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 2n] }],
    rawInputContents: [rawOf(new Float32Array([1, 1]))],
    ...more,
  });
}

async function infer(asked: inference.ModelInferRequest, metadata: Record<string, string> = {}): Promise<number[]> {
  const response = await client().modelInfer(asked, { metadata: Metadata.from(metadata) });
  return [...typedArrayOf('FP32', response.rawOutputContents[0] ?? new Uint8Array())];
}

describe('ModelInfer on a worker', () => {
  it('answers raw to raw, with the number of the version, the id, and trailers for the router', async () => {
    let trailers = new Metadata();
    const options: CallOptions = { onTrailers: (given) => (trailers = given) };
    const response = await client().modelInfer(request({ id: 'abc', modelVersion: '1' }), options);
    expect(response).toMatchObject({ modelName: 'mul', modelVersion: '1', id: 'abc' });
    expect(response.outputs).toEqual([
      expect.objectContaining({ name: 'y', datatype: 'FP32', shape: [1n, 3n], contents: undefined }),
    ]);
    expect([...typedArrayOf('FP32', response.rawOutputContents[0] ?? new Uint8Array())]).toEqual([5, 7, 9]);
    expect(trailers.get(CallMetadata.queueDepth)).toBe('0');
    expect(Number(trailers.get(CallMetadata.queueUs))).toBeGreaterThan(0);
    expect(Number(trailers.get(CallMetadata.computeUs))).toBeGreaterThan(0);
    expect(seen).toEqual([expect.objectContaining({ outcome: 'answered' })]);
  });

  it('answers typed to typed', async () => {
    const contents = inference.InferTensorContents.create({ fp32Contents: [1, 0] });
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1n, 2n], contents }];
    const response = await client().modelInfer(request({ inputs, rawInputContents: [] }));
    expect(response.rawOutputContents).toEqual([]);
    expect(response.outputs[0]?.contents?.fp32Contents).toEqual([101, 102, 103]);
  });

  it.each<[string, Request, Record<string, string>, number[]]>([
    ['the highest version where none is named', {}, {}, [105, 107, 109]],
    ['the version in the body', { modelVersion: '1' }, {}, [5, 7, 9]],
    [
      'the version in the metadata, whatever the body says',
      { modelName: '?', modelVersion: 'stable' },
      { [CallMetadata.versionId]: 'default/mul@1' },
      [5, 7, 9],
    ],
    ["the tenant's own model", {}, { [CallMetadata.tenant]: 'other' }, [705, 707, 709]],
    [
      'a call that is meant for this process',
      {},
      { [CallMetadata.workerId]: 'worker-1', [CallMetadata.incarnation]: 'now' },
      [105, 107, 109],
    ],
  ])('takes %s', async (_, body, metadata, expected) => {
    expect(await infer(request(body), metadata)).toEqual(expected);
  });

  const wrongInput = (more: object): Request => ({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 2n], ...more }],
  });
  const twoInputs: Request = {
    inputs: ['x', 'z'].map((name) => ({ name, datatype: 'FP32', shape: [1n, 2n] })),
    rawInputContents: [new Uint8Array(8), new Uint8Array(8)],
  };
  const typed = { contents: { fp32Contents: [1, 1] } };

  it.each<[string, Request, Record<string, string>, Reason, RegExp]>([
    ['a model that is not held', { modelName: 'none' }, {}, Reason.REPLICA_GONE, /default\/none is not held ready/],
    ['a version that is not held', { modelVersion: '9' }, {}, Reason.REPLICA_GONE, /default\/mul@9 is not held ready/],
    [
      'a version that the router means and that is gone',
      {},
      { [CallMetadata.versionId]: 'default/mul@9' },
      Reason.REPLICA_GONE,
      /mul@9/,
    ],
    [
      "another tenant's model",
      { modelName: 'pick' },
      { [CallMetadata.tenant]: 'other' },
      Reason.REPLICA_GONE,
      /other\/pick/,
    ],
    [
      'a call for another worker',
      {},
      { [CallMetadata.workerId]: 'worker-2' },
      Reason.REPLICA_GONE,
      /is not this process/,
    ],
    [
      'a call for an earlier start',
      {},
      { [CallMetadata.incarnation]: 'before' },
      Reason.REPLICA_GONE,
      /is not this process/,
    ],
    ['a label', { modelVersion: 'stable' }, {}, Reason.INVALID_REQUEST, /^model_version: .*only the router knows/],
    ['a malformed name', { modelName: 'a/b' }, {}, Reason.INVALID_REQUEST, /^model_name: /],
    ['a malformed tenant', {}, { [CallMetadata.tenant]: 'a b' }, Reason.INVALID_REQUEST, /^bms-tenant: /],
    [
      'a wrong input name',
      wrongInput({ name: 'z' }),
      {},
      Reason.INVALID_TENSOR,
      /^inputs\[0\]\.name: "z" is no input.*"x"/,
    ],
    ['a missing input', { inputs: [], rawInputContents: [] }, {}, Reason.INVALID_TENSOR, /^inputs: lacks "x"/],
    ['an extra input', twoInputs, {}, Reason.INVALID_TENSOR, /^inputs\[1\]\.name: "z" is no input/],
    [
      'a wrong datatype',
      wrongInput({ datatype: 'FP64' }),
      {},
      Reason.INVALID_TENSOR,
      /^inputs\[0\]\.datatype: is FP64.*takes FP32/,
    ],
    ['an unknown datatype', wrongInput({ datatype: 'FP33' }), {}, Reason.INVALID_TENSOR, /^inputs\[0\]\.datatype: /],
    [
      'a wrong rank',
      wrongInput({ shape: [2n] }),
      {},
      Reason.INVALID_TENSOR,
      /^inputs\[0\]\.shape: .*2 dimensions are needed/,
    ],
    ['a wrong fixed dimension', wrongInput({ shape: [1n, 3n] }), {}, Reason.INVALID_TENSOR, /dimension 1 must be 2/],
    [
      'a negative dimension',
      wrongInput({ shape: [-1n, 2n] }),
      {},
      Reason.INVALID_TENSOR,
      /^inputs\[0\]\.shape\[0\]: is -1/,
    ],
    [
      'a dimension that overflows',
      wrongInput({ shape: [2n ** 62n, 2n] }),
      {},
      Reason.INVALID_TENSOR,
      /^inputs\[0\]\.shape/,
    ],
    [
      'bytes that do not fill the shape',
      { rawInputContents: [new Uint8Array(7)] },
      {},
      Reason.INVALID_TENSOR,
      /^raw_input_contents\[0\]: has 7 bytes.*takes 8/,
    ],
    [
      'both raw and typed contents',
      wrongInput(typed),
      {},
      Reason.INVALID_REQUEST,
      /^inputs\[0\]\.contents: must be empty/,
    ],
    [
      'an unequal raw count',
      { rawInputContents: [new Uint8Array(8), new Uint8Array(8)] },
      {},
      Reason.INVALID_REQUEST,
      /^raw_input_contents: has 2 entries/,
    ],
    [
      'too few typed values',
      { ...wrongInput({ contents: { fp32Contents: [1] } }), rawInputContents: [] },
      {},
      Reason.INVALID_TENSOR,
      /^inputs\[0\]\.contents/,
    ],
    [
      'an unknown output',
      { outputs: [{ name: 'q' }] },
      {},
      Reason.INVALID_REQUEST,
      /^outputs\[0\]\.name: "q" is no output/,
    ],
    [
      'a string with a NUL',
      {
        modelName: 'echo',
        inputs: [{ name: 'x', datatype: 'BYTES', shape: [1n] }],
        rawInputContents: [new Uint8Array([1, 0, 0, 0, 0])],
      },
      {},
      Reason.INVALID_TENSOR,
      /^inputs\[x\]: element 0 contains a NUL/,
    ],
    [
      'an index that the model itself refuses at run time',
      {
        modelName: 'pick',
        inputs: [{ name: 'index', datatype: 'INT64', shape: [1n] }],
        rawInputContents: [rawOf(new BigInt64Array([5n]))],
      },
      {},
      Reason.MODEL_FAILED,
      /^default\/pick@1 failed: .*out of data bounds/,
    ],
  ])('refuses %s, and goes on', async (_, body, metadata, reason, message) => {
    const error = await infer(request(body), metadata).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(BmsError);
    expect([reasonName((error as BmsError).reason), (error as BmsError).message]).toEqual([
      reasonName(reason),
      expect.stringMatching(message),
    ]);
    expect((error as BmsError).message).not.toContain(folder);
    expect(await infer(request())).toEqual([105, 107, 109]);
  });

  it('counts each prediction by how it ended', async () => {
    await infer(request({ rawInputContents: [new Uint8Array(7)] })).catch(() => undefined);
    expect(seen.map(({ servable, outcome, timings }) => [servable.id, outcome, timings])).toEqual([
      ['default/mul@2', 'INVALID_TENSOR', undefined],
    ]);
  });

  it('answers DRAINING once it has said goodbye', async () => {
    leaving = true;
    await expect(infer(request())).rejects.toMatchObject({ reason: Reason.DRAINING });
    expect(await client().serverReady({})).toEqual({ ready: false });
    expect(await client().modelReady({ name: 'mul', version: '' })).toEqual({ ready: false });
  });

  it('answers a message that breaks off', async () => {
    const bytes = inference.ModelInferRequest.encode(request()).finish();
    const path = '/inference.GRPCInferenceService/ModelInfer';
    await expect(channel.unary(path, bytes.subarray(0, bytes.byteLength - 3))).rejects.toMatchObject({
      reason: Reason.INVALID_REQUEST,
    });
  });

  it('gives many callers at once each their own answer', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        infer(request({ modelVersion: '1', rawInputContents: [rawOf(new Float32Array([at, 0]))] })),
      ),
    );
    expect(answers).toEqual(Array.from({ length: 200 }, (_, at) => [at, 2 * at, 3 * at]));
  });
});

describe('the other calls on a worker', () => {
  it('answer that it lives and is ready, and what it is', async () => {
    expect(await client().serverLive({})).toEqual({ live: true });
    expect(await client().serverReady({})).toEqual({ ready: true });
    expect(await client().serverMetadata({})).toEqual({
      name: 'bms-inference-worker',
      version: '1.2.3',
      extensions: [],
    });
  });

  it('tell which models are ready', async () => {
    expect(await client().modelReady({ name: 'mul', version: '' })).toEqual({ ready: true });
    expect(await client().modelReady({ name: 'mul', version: '9' })).toEqual({ ready: false });
    await expect(client().modelReady({ name: 'a/b', version: '' })).rejects.toMatchObject({
      reason: Reason.INVALID_REQUEST,
    });
  });

  it("tell a model's versions, inputs and outputs", async () => {
    expect(await client().modelMetadata({ name: 'mul', version: '1' })).toEqual({
      name: 'mul',
      versions: ['2', '1'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1n, 2n] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1n, 3n] }],
    });
  });
});
