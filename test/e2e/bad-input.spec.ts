import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BmsError, inference, models, Reason } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { buildOnnxModel, gatherModel, identityModel } from '@bms/onnx-inspect/testkit';
import type { BmsClient } from '@bms/sdk';
import { TestMesh } from './test-mesh';

type Request = Parameters<typeof inference.ModelInferRequest.create>[0];

const INFER = '/inference.GRPCInferenceService/ModelInfer';
const PIXELS = { name: 'pixels', datatype: 'FP32', shape: [1n, 64n] };
const raw = (floats = 64): Uint8Array => new Uint8Array(4 * floats);
const good = { modelName: 'digits', inputs: [PIXELS], rawInputContents: [raw()] };

describe('bad input', () => {
  let mesh: TestMesh;
  let channel: GrpcChannel;
  let client: BmsClient;
  let folder: string;

  beforeAll(async () => {
    mesh = await TestMesh.start();
    channel = new GrpcChannel(mesh.router, { messageBytes: 128 * 2 ** 20 });
    client = mesh.client();
    folder = mkdtempSync(join(tmpdir(), 'bms-bad-'));
    const push = async (name: string, bytes: Uint8Array, ...flags: readonly string[]): Promise<void> => {
      const file = join(folder, `${name}.onnx`);
      writeFileSync(file, bytes);
      const { code, err } = await mesh.bms('push', name, file, ...flags);
      if (code !== 0) throw new Error(err);
    };
    await push('gather', gatherModel(), '--activate');
    await push('resting', identityModel(), '--activate');
    await push('resting', identityModel(), '--publish', '--wait');
    await mesh.bms('offline', 'resting@2');
    await push('stored', identityModel());
    await push('broken', modelThatDoesNotLoad(), '--publish');
  }, 180_000);
  afterAll(async () => {
    channel.close();
    client.close();
    rmSync(folder, { recursive: true });
    await mesh.stop();
  });

  const send = async (bytes: Uint8Array, path = INFER): Promise<Uint8Array> =>
    channel.unary(path, bytes, { deadlineMs: Date.now() + 10_000 });
  const infer = async (request: Request): Promise<inference.ModelInferResponse> =>
    inference.ModelInferResponse.decode(
      await send(inference.ModelInferRequest.encode(inference.ModelInferRequest.create(request)).finish()),
    );
  const refusal = async (call: Promise<unknown>): Promise<BmsError> => {
    const error = await call.then(
      () => new Error('it was not refused'),
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof BmsError)) throw error;
    return error;
  };

  // Whatever came before: others' requests are answered as ever.
  afterEach(async () => {
    expect((await infer(good)).outputs).toHaveLength(2);
  });

  const cases: readonly (readonly [string, Request, Reason, string])[] = [
    ['an unknown model', { ...good, modelName: 'nobody' }, Reason.MODEL_NOT_FOUND, 'nobody'],
    ['an empty model name', { ...good, modelName: '' }, Reason.INVALID_REQUEST, 'model_name'],
    ['an unknown version', { ...good, modelVersion: '77' }, Reason.VERSION_NOT_FOUND, '77'],
    ['an unknown label', { ...good, modelVersion: 'nightly' }, Reason.LABEL_NOT_FOUND, 'nightly'],
    [
      'a version that is offline',
      { ...good, modelName: 'resting', modelVersion: '2' },
      Reason.VERSION_OFFLINE,
      'offline',
    ],
    [
      'a version that was never published',
      { ...good, modelName: 'stored', modelVersion: '1' },
      Reason.VERSION_OFFLINE,
      'publish',
    ],
    ['a model without an active version', { ...good, modelName: 'stored' }, Reason.NO_ACTIVE_VERSION, 'activate'],
    [
      'a version that is published but not ready',
      { ...good, modelName: 'broken', modelVersion: '1' },
      Reason.NOT_READY,
      'broken',
    ],
    ['a wrong input name', { ...good, inputs: [{ ...PIXELS, name: 'pixel' }] }, Reason.INVALID_TENSOR, 'pixels'],
    ['a missing input', { ...good, inputs: [], rawInputContents: [] }, Reason.INVALID_TENSOR, 'pixels'],
    [
      'an extra input',
      { ...good, inputs: [PIXELS, { ...PIXELS, name: 'more' }], rawInputContents: [raw(), raw()] },
      Reason.INVALID_TENSOR,
      'more',
    ],
    [
      'an input given twice',
      { ...good, inputs: [PIXELS, PIXELS], rawInputContents: [raw(), raw()] },
      Reason.INVALID_TENSOR,
      'inputs[1]',
    ],
    ['a wrong datatype', { ...good, inputs: [{ ...PIXELS, datatype: 'INT32' }] }, Reason.INVALID_TENSOR, 'FP32'],
    ['an unknown datatype', { ...good, inputs: [{ ...PIXELS, datatype: 'FLOAT' }] }, Reason.INVALID_TENSOR, 'datatype'],
    ['a wrong rank', { ...good, inputs: [{ ...PIXELS, shape: [64n] }] }, Reason.INVALID_TENSOR, 'shape'],
    [
      'a wrong fixed dimension',
      { ...good, inputs: [{ ...PIXELS, shape: [1n, 65n] }], rawInputContents: [raw(65)] },
      Reason.INVALID_TENSOR,
      '64',
    ],
    ['a negative dimension', { ...good, inputs: [{ ...PIXELS, shape: [-1n, 64n] }] }, Reason.INVALID_TENSOR, 'shape'],
    [
      'dimensions whose product overflows',
      { ...good, inputs: [{ ...PIXELS, shape: [9_000_000_000_000_000_000n, 64n] }] },
      Reason.INVALID_TENSOR,
      'shape',
    ],
    ['bytes that do not fill the shape', { ...good, rawInputContents: [raw(63)] }, Reason.INVALID_TENSOR, '256'],
    [
      'both raw and typed contents',
      { ...good, inputs: [{ ...PIXELS, contents: { fp32Contents: new Array<number>(64).fill(0) } }] },
      Reason.INVALID_REQUEST,
      'raw_input_contents',
    ],
    [
      'an unequal raw count',
      { ...good, rawInputContents: [raw(), raw()] },
      Reason.INVALID_REQUEST,
      'raw_input_contents',
    ],
    ['an unknown output', { ...good, outputs: [{ name: 'probability' }] }, Reason.INVALID_REQUEST, 'probabilities'],
    [
      'a value that makes the model fail',
      {
        modelName: 'gather',
        inputs: [{ name: 'index', datatype: 'INT64', shape: [1n], contents: { int64Contents: [99n] } }],
      },
      Reason.MODEL_FAILED,
      'gather',
    ],
  ];

  it.each(cases)('is refused with its reason, field and remedy: %s', async (_name, request, reason, word) => {
    const error = await refusal(infer(request));
    expect({ reason: Reason[error.reason], message: error.message }).toEqual({
      reason: Reason[reason],
      message: expect.stringContaining(word) as string,
    });
    expect(error.message).not.toMatch(/\/(tmp|home|root|work|usr)\//);
  });

  it('is refused: a truncated protobuf, an unknown method, a message over the limit', async () => {
    const bytes = inference.ModelInferRequest.encode(inference.ModelInferRequest.create(good)).finish();
    expect((await refusal(send(bytes.subarray(0, bytes.length - 7)))).reason).toBe(Reason.INVALID_REQUEST);
    const unknown = await refusal(send(bytes, '/inference.GRPCInferenceService/ModelInference'));
    expect(unknown.reason).toBe(Reason.UNIMPLEMENTED);
    const large = await refusal(infer({ ...good, rawInputContents: [new Uint8Array(65 * 2 ** 20)] }));
    expect(large.reason).toBe(Reason.MESSAGE_TOO_LARGE);
    expect(large.message).toMatch(/64 MiB|67108864/);
  });

  const row = `[${new Array(64).fill(0).join(',')}]`;
  it.each([
    ['no JSON', 400, '{"instances": [', 'JSON'],
    ['NaN', 400, `{"instances": [${row.replace('0', 'NaN')}]}`, 'NaN'],
    ['rows of unequal length', 400, `{"instances": [${row}, [1, 2]]}`, 'instances[1]'],
    ['neither instances nor inputs', 400, '{"data": []}', 'instances'],
    ['a text where a number is due', 400, `{"instances": [${row.replace('0', '"0"')}]}`, 'instances[0]'],
  ])('is refused over REST: %s', async (_name, status, body, word) => {
    const answer = await fetch(`${mesh.rest}/v1/models/digits:predict`, { method: 'POST', body });
    const { error } = (await answer.json()) as { error: string };
    expect(answer.status).toBe(status);
    expect(error).toContain(word);
  });

  it.each([
    ['POST', '/v1/models/nobody:predict', 404, 'nobody'],
    ['POST', '/v1/models/digits/versions/9:predict', 404, '9'],
    ['POST', '/v1/models/digits/labels/none:predict', 404, 'none'],
    ['GET', '/v1/models/digits:predict', 405, 'POST'],
    ['GET', '/v2/nothing', 404, '/v1/models'],
  ])('is refused over REST: %s %s', async (method, path, status, word) => {
    const answer = await fetch(mesh.rest + path, method === 'POST' ? { method, body: `{"instances": [${row}]}` } : {});
    expect(answer.status).toBe(status);
    expect(await answer.text()).toContain(word);
  });

  it.each([
    ['an empty file', 'empty.onnx', new Uint8Array(), 'empty'],
    ['a zip archive', 'model.zip', Buffer.from('PK\x03\x04 and so on'), 'zip'],
    ['a text', 'notes.onnx', Buffer.from('this is no model'), 'ONNX'],
    ['half a model', 'half.onnx', identityModel().subarray(0, 40), 'half.onnx'],
  ])('cannot be pushed: %s', async (_name, name, bytes, word) => {
    const file = join(folder, name);
    writeFileSync(file, bytes);
    const { code, err } = await mesh.bms('push', 'never', file);
    expect(code).not.toBe(0);
    expect(err).toContain(word);
    const error = await refusal(client.models.getModel({ tenant: 'default', model: 'never' }));
    expect(error.reason).toBe(Reason.MODEL_NOT_FOUND);
  });

  it('cannot be pushed: a link, a wrong config key, a name with a slash', async () => {
    const linked = join(folder, 'linked');
    mkdirSync(linked);
    symlinkSync('/etc/hostname', join(linked, 'model.onnx'));
    expect((await mesh.bms('push', 'never', linked)).err).toContain('link');

    const file = join(folder, 'fine.onnx');
    writeFileSync(file, identityModel());
    const config = join(folder, 'config.json');
    writeFileSync(config, '{"replica": 2}');
    const wrongKey = await mesh.bms('push', 'never', file, '--config', config);
    expect(wrongKey.err).toContain('"replica"');
    expect(wrongKey.err).toContain('replicas');
    expect((await mesh.bms('push', 'a/b', file)).err).toContain('a/b');
  });

  it('says in the status within a second why a version cannot be loaded, and serves the others', async () => {
    await mesh.until(async () => {
      const { versions, workers } = await mesh.status();
      const failed = workers
        .flatMap(({ replicas }) => replicas)
        .filter(({ state }) => state === models.ReplicaState.FAILED);
      return (
        failed.some(({ reason }) => /no.?such|not.*registered|NoSuchOperator/i.test(reason)) && versions.length > 0
      );
    });
    expect((await mesh.bms('status')).out).toMatch(/broken@1[\s\S]*NoSuchOperator/);
  });
});

/** A model whose operator ONNX Runtime does not know: fine at push, refused at load. */
function modelThatDoesNotLoad(): Uint8Array {
  return buildOnnxModel({
    inputs: [{ name: 'x', type: 'FP32', shape: ['n'] }],
    outputs: [{ name: 'y', type: 'FP32', shape: ['n'] }],
    nodes: [{ op: 'NoSuchOperator', inputs: ['x'], outputs: ['y'] }],
  });
}
