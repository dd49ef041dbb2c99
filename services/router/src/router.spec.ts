import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BmsError, CallMetadata, health, inference, models, Reason } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { StartError, type RunningService } from '@bms/lifecycle';
import { createLogger } from '@bms/telemetry';
import { createClient, pathOf, type CallOptions, type Metadata as CallMetadataValues } from '@bms/transport';
import { modelRoute, routeSnapshot } from './catalog/routes.testkit';
import { startRouter } from './compose';
import { loadConfig } from './config';
import { digitsOn, FakeRegistry, FakeWorker } from './mesh.testkit';

const { ModelInferRequest, ModelInferResponse, GRPCInferenceServiceDefinition: SERVICE } = inference;
const MODEL_INFER = pathOf(SERVICE, SERVICE.methods.modelInfer);
const never = new AbortController().signal;
const silent = createLogger('router', 'error');
silent.level = 'silent';

/** Bytes that no encoder of ours would write in this way: an unknown field, a repeated name, fields out of order. */
const oddRequest = Buffer.concat([
  Buffer.from([0xfa, 0x3e, 0x03, 1, 2, 3]),
  ModelInferRequest.encode(
    ModelInferRequest.create({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1n] }],
      rawInputContents: [Buffer.alloc(70_000, 7)],
    }),
  ).finish(),
  ModelInferRequest.encode(ModelInferRequest.create({ modelName: 'overwritten' })).finish(),
  ModelInferRequest.encode(ModelInferRequest.create({ modelName: 'digits', modelVersion: 'stable', id: 'i' })).finish(),
]);
const request = ModelInferRequest.encode(ModelInferRequest.create({ modelName: 'digits' })).finish();

describe('a router among real connections', () => {
  let folder: string;
  let registry: FakeRegistry;
  let one: FakeWorker;
  let two: FakeWorker;
  let router: RunningService | undefined;
  let channel: GrpcChannel;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bms-router-'));
    registry = await new FakeRegistry().start();
    one = await new FakeWorker('w1').start();
    two = await new FakeWorker('w2').start();
    registry.hold(digitsOn([one, two]));
  });
  afterEach(async () => {
    channel?.close();
    await router?.stop(AbortSignal.abort());
    router = undefined;
    await Promise.all([registry.kill(), one.kill(), two.kill()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const start = async (...flags: string[]): Promise<void> => {
    const argv = ['--data', folder, '--registry', registry.address];
    const ports = ['--grpc-port', '0', '--rest-port', '0', '--operations-port', '0'];
    router = await startRouter(loadConfig({ argv: [...argv, ...ports, ...flags], env: {} }), silent);
    channel = new GrpcChannel(String(router.facts['grpc']));
  };
  const startFollowing = async (...flags: string[]): Promise<void> => {
    await start(...flags);
    await registry.untilAcknowledged(1);
  };
  const infer = async (
    bytes: Uint8Array = request,
    options: CallOptions = {},
  ): Promise<{ readonly text: string; readonly trailers: CallMetadataValues }> => {
    let trailers: CallMetadataValues | undefined;
    const body = await channel.unary(MODEL_INFER, bytes, { ...options, onTrailers: (got) => (trailers = got) });
    if (trailers === undefined) throw new Error('no trailers came');
    return { text: Buffer.from(body).toString(), trailers };
  };
  const failureOf = (promise: Promise<unknown>): Promise<BmsError> =>
    promise.then(
      () => {
        throw new Error('it was answered');
      },
      (error: unknown) => BmsError.from(error),
    );
  const restUrl = (path: string): string => `http://${router?.facts['rest']}${path}`;
  const operations = async (path: string): Promise<readonly [number, string]> => {
    const response = await fetch(`http://${router?.facts['operations']}${path}`);
    return [response.status, await response.text()];
  };

  it("forwards a request's and an answer's bytes as they came, and says who answered", async () => {
    await startFollowing();
    const answer = Buffer.concat([Buffer.from([0xfa, 0x3e, 0x01, 9]), Buffer.alloc(100_000, 3)]);
    one.answer = two.answer = () => answer;
    const body = await channel.unary(MODEL_INFER, oddRequest);
    expect(Buffer.compare(Buffer.from(body), answer)).toBe(0);
    const [received] = [...one.calls, ...two.calls];
    expect(Buffer.compare(Buffer.from(received?.request ?? []), oddRequest)).toBe(0);
  });

  it('tells the worker what was decided, and the caller how it went', async () => {
    await startFollowing();
    const deadlineMs = Date.now() + 20_000;
    const { trailers } = await infer(request, { deadlineMs });
    const worker = one.calls.length > 0 ? one : two;
    const [received] = worker.calls;
    expect(received?.metadata.get(CallMetadata.versionId)).toBe('default/digits@1');
    expect(received?.metadata.get(CallMetadata.workerId)).toBe(worker.id);
    expect(received?.metadata.get(CallMetadata.incarnation)).toBe(`${worker.id}-1`);
    expect(received?.metadata.get(CallMetadata.tenant)).toBe('default');
    expect(received?.deadlineMs).toBeLessThanOrEqual(deadlineMs + 50);
    expect(received?.deadlineMs).toBeGreaterThan(deadlineMs - 5_000);
    expect(trailers.get(CallMetadata.servedBy)).toBe(worker.id);
    expect(trailers.get(CallMetadata.attempts)).toBe('1');
    expect(trailers.get(CallMetadata.computeUs)).toBe('42');
    expect(trailers.get(CallMetadata.requestId)).toBe(received?.metadata.get(CallMetadata.requestId));
    expect(trailers.get(CallMetadata.requestId)).toMatch(/^[0-9a-f-]{36}-\d+$/);
  });

  it('answers by the other worker when one dies with the request on board', async () => {
    await startFollowing();
    one.answer = two.answer = () => new Promise(() => {});
    const arrived = Promise.race([one.arrival().then(() => one), two.arrival().then(() => two)]);
    const answered = infer();
    const doomed = await arrived;
    const survivor = doomed === one ? two : one;
    survivor.answer = () => Buffer.from('rescued');
    await doomed.kill();
    const { text, trailers } = await answered;
    expect(text).toBe('rescued');
    expect([trailers.get(CallMetadata.servedBy), trailers.get(CallMetadata.attempts)]).toEqual([survivor.id, '2']);
    // From here on nobody is sent to the dead one, whatever the routes still say.
    for (let call = 0; call < 20; call++) expect((await infer()).trailers.get(CallMetadata.attempts)).toBe('1');
  });

  it('waits for a worker that comes back on its port', async () => {
    registry.hold(digitsOn([one]));
    await startFollowing();
    await infer();
    await one.kill();
    const answered = infer();
    await one.start();
    expect((await answered).text).toBe('answer of w1');
  });

  it("passes the caller's cancel on to the worker", async () => {
    await startFollowing();
    let cancelled = (): void => {};
    const noticed = new Promise<void>((resolve) => (cancelled = resolve));
    one.answer = two.answer = (_request, { signal }) =>
      new Promise(() => {
        signal.addEventListener('abort', () => cancelled());
      });
    const abort = new AbortController();
    const arrived = Promise.race([one.arrival(), two.arrival()]);
    const failed = failureOf(infer(request, { signal: abort.signal }));
    await arrived;
    abort.abort();
    expect((await failed).reason).toBe(Reason.CANCELLED);
    await noticed;
  });

  it('ends a call whose caller names no deadline after the one of the settings', async () => {
    await startFollowing('--deadline-ms', '200');
    one.answer = two.answer = () => new Promise(() => {});
    expect((await failureOf(infer())).reason).toBe(Reason.DEADLINE_EXCEEDED);
  });

  describe('and the registry', () => {
    it('says who it is, with the service token', async () => {
      await startFollowing();
      expect(registry.hellos[0]).toMatchObject({
        address: router?.facts['grpc'],
        meshId: '',
        pid: BigInt(process.pid),
      });
      expect(registry.hellos[0]?.routerId).toMatch(/^router-[0-9a-f]{8}$/);
      const token = readFileSync(join(folder, 'service-token'), 'utf8').trim();
      expect(registry.authorizations).toEqual([`Bearer ${token}`]);
    });

    it('acknowledges a delta when requests follow it', async () => {
      registry.hold(digitsOn([one]));
      await startFollowing();
      const digits = modelRoute('digits', [{ version: 1, ready: ['w2'] }], { active: 1 });
      await registry.tell({ revision: 2n, models: [digits], workers: [two.route()], removedWorkers: ['w1'] });
      for (let call = 0; call < 5; call++) expect((await infer()).text).toBe('answer of w2');
    });

    it('refuses a version at once that is taken offline, and takes it up again', async () => {
      await startFollowing();
      const state = models.VersionState.OFFLINE;
      await registry.tell({ revision: 2n, models: [modelRoute('digits', [{ version: 1, state }], { active: 1 })] });
      const failure = await failureOf(infer());
      expect(failure).toMatchObject({ reason: Reason.VERSION_OFFLINE });
      expect(failure.message).toContain('bms publish digits@1');
      expect(failure.facts['requestId']).toMatch(/^[0-9a-f-]{36}-\d+$/);
      const published = modelRoute('digits', [{ version: 1, ready: ['w1', 'w2'] }], { active: 1 });
      await registry.tell({ revision: 3n, models: [published] });
      await infer();
    });

    it('serves on while the registry is gone, and follows it when it is back', async () => {
      await startFollowing();
      await registry.kill();
      for (let call = 0; call < 20; call++) await infer();
      registry.hold(digitsOn([two], 5));
      await registry.start();
      await registry.untilAcknowledged(5);
      expect(registry.hellos.at(-1)).toMatchObject({ meshId: 'mesh-1', revision: 1n });
      for (let call = 0; call < 5; call++) expect((await infer()).text).toBe('answer of w2');
    });

    it('serves from disk after a restart while the registry is gone', async () => {
      await startFollowing();
      const { routerId } = registry.hellos[0] ?? {};
      channel.close();
      await router?.stop(never);
      await registry.kill();
      await start();
      expect((await infer()).text).toMatch(/^answer of w[12]$/);
      await registry.start();
      await registry.until(() => registry.hellos.length === 2);
      expect(registry.hellos[1]).toMatchObject({ routerId, meshId: 'mesh-1', revision: 1n });
      expect(registry.hellos[1]?.incarnation).not.toBe(registry.hellos[0]?.incarnation);
    });

    it('is told the totals, each call once', async () => {
      await startFollowing();
      for (let call = 0; call < 10; call++) await infer();
      one.answer = two.answer = () => {
        throw BmsError.invalidTensor('inputs[0].shape', 'is wrong');
      };
      await failureOf(infer());
      const sum = (of: 'answered' | 'failed' | 'rejected'): number =>
        (registry.totals?.versions ?? []).reduce((all, { calls }) => all + Number(calls?.[of] ?? 0), 0);
      await registry.until(() => sum('answered') === 10 && sum('rejected') === 1);
      expect(sum('failed')).toBe(0);
      expect(
        registry.totals?.versions.every(({ ref, workerId }) => ref?.model === 'digits' && /^w[12]$/.test(workerId)),
      ).toBe(true);
    });

    it('does without one at first: nothing is ready, and everything says so', async () => {
      await registry.kill();
      await start();
      const failure = await failureOf(infer());
      expect(failure).toMatchObject({ reason: Reason.NOT_READY, retryAfterMs: 1_000 });
      expect(await operations('/readyz')).toEqual([503, 'not ready: no routes yet: the registry was not reached\n']);
      expect(await createClient(SERVICE, channel).serverReady({})).toEqual({ ready: false });
      expect(await createClient(SERVICE, channel).serverLive({})).toEqual({ live: true });
    });
  });

  describe('the Open Inference Protocol', () => {
    const client = () => createClient(SERVICE, channel);

    beforeEach(async () => {
      const digits = modelRoute(
        'digits',
        [
          { version: 1, ready: ['w1'] },
          { version: 2, reason: 'it is being loaded by a worker' },
          { version: 3, state: models.VersionState.REGISTERED },
        ],
        { active: 1, labels: { stable: 1 } },
      );
      registry.hold(routeSnapshot(1, [digits], [one.route()]));
      await startFollowing();
    });

    it('tells about the server', async () => {
      expect(await client().serverLive({})).toEqual({ live: true });
      expect(await client().serverReady({})).toEqual({ ready: true });
      expect(await client().serverMetadata({})).toEqual({ name: 'bms', version: '0.1.0', extensions: [] });
    });

    it.each([
      ['digits', '', true],
      ['digits', '1', true],
      ['digits', 'stable', true],
      ['digits', '2', false],
      ['digits', '3', false],
      ['digits', '9', false],
      ['digits', '-', false],
      ['nope', '', false],
      ['', '', false],
    ])('tells whether a model is ready: %s %s', async (name, version, ready) => {
      expect(await client().modelReady({ name, version })).toEqual({ ready });
    });

    it("tells a model's versions and signature", async () => {
      expect(await client().modelMetadata({ name: 'digits', version: '' })).toEqual({
        name: 'digits',
        versions: ['1', '2'],
        platform: 'onnxruntime_onnx',
        inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1n, 2n] }],
        outputs: [{ name: 'sums', datatype: 'FP32', shape: [-1n] }],
      });
      expect((await failureOf(client().modelMetadata({ name: 'nope', version: '' }))).reason).toBe(
        Reason.MODEL_NOT_FOUND,
      );
      expect((await failureOf(client().modelMetadata({ name: 'digits', version: '3' }))).reason).toBe(
        Reason.VERSION_OFFLINE,
      );
    });

    it.each([
      [
        'a truncated message',
        request.subarray(0, 4),
        Reason.INVALID_REQUEST,
        'message: is not a valid ModelInferRequest',
      ],
      ['no model name', new Uint8Array(), Reason.INVALID_REQUEST, 'model_name: is missing'],
      [
        'an unknown model',
        ModelInferRequest.encode(ModelInferRequest.create({ modelName: 'x' })).finish(),
        Reason.MODEL_NOT_FOUND,
        '"x"',
      ],
      [
        'a version that is not ready',
        ModelInferRequest.encode(ModelInferRequest.create({ modelName: 'digits', modelVersion: '2' })).finish(),
        Reason.NOT_READY,
        'being loaded',
      ],
    ])('refuses %s', async (_name, bytes, reason, sentence) => {
      const failure = await failureOf(infer(bytes));
      expect(failure.reason).toBe(reason);
      expect(failure.message).toContain(sentence);
      expect(one.calls).toHaveLength(0);
    });

    it('is offered with health and reflection', async () => {
      const check = createClient(health.HealthDefinition, channel);
      for (const service of ['', SERVICE.fullName]) {
        expect(await check.check({ service })).toEqual({ status: health.HealthCheckResponse_ServingStatus.SERVING });
      }
      const [status, text] = await operations('/readyz');
      expect([status, text]).toEqual([200, 'ready\n']);
    });
  });

  it("answers TensorFlow Serving's REST by the same workers", async () => {
    await startFollowing();
    one.answer = two.answer = (bytes) => {
      const { rawInputContents } = ModelInferRequest.decode(bytes);
      const values = new Float32Array(Uint8Array.from(rawInputContents[0] ?? []).buffer);
      const response = ModelInferResponse.create({
        modelName: 'digits',
        outputs: [{ name: 'sums', datatype: 'FP32', shape: [1n] }],
        rawOutputContents: [new Uint8Array(Float32Array.of((values[0] ?? 0) + (values[1] ?? 0)).buffer)],
      });
      return ModelInferResponse.encode(response).finish();
    };
    const body = JSON.stringify({ instances: [[1, 2.5]] });
    const response = await fetch(restUrl('/v1/models/digits:predict'), { method: 'POST', body });
    expect([response.status, await response.json()]).toEqual([200, { predictions: [3.5] }]);
    expect(response.headers.get('bms-served-by')).toMatch(/^w[12]$/);
    const wrong = await fetch(restUrl('/v1/models/digits:predict'), { method: 'POST', body: '{"instances": [[1]]}' });
    expect(wrong.status).toBe(400);
    const [, metrics] = await operations('/metrics');
    expect(metrics).toMatch(
      /bms_router_requests_total{protocol="tensorflow-rest",tenant="default",model="digits",version="1",outcome="OK",service="router"} 1/,
    );
    expect(metrics).toMatch(/outcome="INVALID_TENSOR",service="router"} 1/);
    expect(metrics).toMatch(/bms_router_workers_connected{service="router"} 2/);
  });

  describe('limits', () => {
    it('refuses a message over the limit of the settings', async () => {
      await startFollowing('--message-limit', '1KiB');
      const big = ModelInferRequest.encode(
        ModelInferRequest.create({ modelName: 'digits', rawInputContents: [Buffer.alloc(2_000)] }),
      ).finish();
      const failure = await failureOf(infer(big));
      expect(failure.reason).toBe(Reason.MESSAGE_TOO_LARGE);
      expect(failure.message).toContain('messageLimit');
    });

    it('refuses, with a retry hint, what would be too much in memory', async () => {
      await startFollowing('--message-limit', '1KiB', '--bytes-in-flight-limit', '2KiB');
      let answer = (): void => {};
      const held = new Promise<void>((resolve) => (answer = resolve));
      one.answer = two.answer = async () => {
        await held;
        return Buffer.from('late');
      };
      const nearlyHalf = ModelInferRequest.encode(
        ModelInferRequest.create({ modelName: 'digits', rawInputContents: [Buffer.alloc(900)] }),
      ).finish();
      const arrived = Promise.all([one.arrival(), two.arrival()]);
      const underWay = [infer(nearlyHalf), infer(nearlyHalf)];
      await arrived;
      expect(await failureOf(infer(nearlyHalf))).toMatchObject({ reason: Reason.OVERLOADED, retryAfterMs: 100 });
      answer();
      expect((await Promise.all(underWay)).map(({ text }) => text)).toEqual(['late', 'late']);
    });
  });

  it('finishes what is in flight when it stops, and takes nothing new', async () => {
    await startFollowing();
    let answer = (): void => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    one.answer = two.answer = async () => {
      await held;
      return Buffer.from('in time');
    };
    const arrived = Promise.race([one.arrival(), two.arrival()]);
    const inFlight = infer();
    await arrived;
    const stopped = router?.stop(never);
    const late = new GrpcChannel(String(router?.facts['grpc']));
    expect((await failureOf(late.unary(MODEL_INFER, request))).reason).toBe(Reason.CONNECTION_FAILED);
    late.close();
    answer();
    expect((await inFlight).text).toBe('in time');
    await stopped;
    router = undefined;
  });

  it('names the port and the setting when a port is taken', async () => {
    const taken = String(one.port);
    await expect(start('--rest-port', taken)).rejects.toThrow(StartError);
    await expect(start('--rest-port', taken)).rejects.toThrow(
      `port ${taken} on 127.0.0.1 is taken by another process: stop that process, or choose another port with --rest-port (BMS_REST_PORT)`,
    );
  });
});
