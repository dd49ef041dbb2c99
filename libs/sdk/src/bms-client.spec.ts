import { BmsError, CallMetadata, inference, modelService, Reason } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import { inferResponse, readInferOutputs } from '@bms/tensor';
import type { Metadata, Route, Routes, ServerCall } from '@bms/transport';
import { BmsClient, type BmsClientOptions } from './bms-client';
import { systemClock, type Clock } from './clock';

const INFER = '/inference.GRPCInferenceService/ModelInfer';
const PIXELS = { pixels: { datatype: 'FP32' as const, shape: [1, 2], data: Float32Array.of(1, 2) } };

/** Answers ModelInfer with the request's own input as output `echo`. */
function echo(request: Uint8Array, call: ServerCall): Uint8Array {
  const message = inference.ModelInferRequest.decode(request);
  const inputs = readInferOutputs(
    inference.ModelInferResponse.create({ outputs: message.inputs, rawOutputContents: message.rawInputContents }),
  );
  call.trailers.set(CallMetadata.servedBy, 'worker-a').set(CallMetadata.attempts, '2');
  const outputs = inputs.map((tensor) => ({ ...tensor, name: `echo-${tensor.name}` }));
  const answer = { modelName: message.modelName, modelVersion: '3', id: message.id, outputs, typed: false };
  return inference.ModelInferResponse.encode(inferResponse(answer)).finish();
}

const inferRoute = (handle: (request: Uint8Array, call: ServerCall) => Promise<Uint8Array> | Uint8Array): Routes =>
  new Map<string, Route>([[INFER, { kind: 'unary', handle: async (request, call) => handle(request, call) }]]);

describe('BmsClient', () => {
  const closers: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function serve(routes: Routes, port = 0): Promise<{ readonly address: string; readonly server: GrpcServer }> {
    const server = new GrpcServer(routes);
    closers.push(() => server.close());
    return { address: `127.0.0.1:${await server.listen({ host: '127.0.0.1', port })}`, server };
  }

  function connect(options: BmsClientOptions): BmsClient {
    const client = new BmsClient({ admin: '127.0.0.1:1', ...options });
    closers.push(() => client.close());
    return client;
  }

  /** A clock whose pauses take no time but run `onSleep`. */
  function clockThat(onSleep: (ms: number) => Promise<void> | void): Clock {
    return { now: systemClock.now, sleep: async (ms) => onSleep(ms) };
  }

  it('predicts and tells who answered', async () => {
    let seen: inference.ModelInferRequest | undefined;
    let metadata: Metadata | undefined;
    const { address } = await serve(
      inferRoute((request, call) => {
        seen = inference.ModelInferRequest.decode(request);
        ({ metadata } = call);
        return echo(request, call);
      }),
    );
    const client = connect({ router: address, tenant: 'acme', principal: 'ann@desk', token: 'secret' });
    const result = await client.infer({
      model: 'digits',
      label: 'stable',
      id: 'r1',
      inputs: PIXELS,
      outputs: ['echo-pixels'],
    });
    expect(result).toEqual({
      model: 'digits',
      version: 3,
      id: 'r1',
      outputs: { 'echo-pixels': { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, 2) } },
      servedBy: 'worker-a',
      attempts: 2,
      requestId: metadata?.get(CallMetadata.requestId),
    });
    expect(seen).toMatchObject({ modelName: 'digits', modelVersion: 'stable', outputs: [{ name: 'echo-pixels' }] });
    expect(
      [CallMetadata.tenant, CallMetadata.principal, CallMetadata.authorization].map((name) => metadata?.get(name)),
    ).toEqual(['acme', 'ann@desk', 'Bearer secret']);
  });

  it.each([
    [{ model: 'digits', version: 2, label: 'stable', inputs: PIXELS }, 'give a version or a label, not both'],
    [{ model: 'digits', label: '2', inputs: PIXELS }, 'it starts with a letter'],
    [{ model: 'digits', version: 0, inputs: PIXELS }, '"0" is not a version'],
    [{ model: '../x', inputs: PIXELS }, 'model: "../x" is not allowed'],
    [{ model: 'digits', inputs: { pixels: { ...PIXELS.pixels, shape: [3] } } }, 'inputs.pixels.data: has 2 elements'],
  ])('refuses %j before anything is sent', async (request, sentence) => {
    const client = connect({ router: '127.0.0.1:1' });
    await expect(client.infer(request)).rejects.toThrow(sentence);
  });

  it('survives a router that is down and comes back', async () => {
    const { address, server } = await serve(inferRoute(echo));
    const port = Number(address.split(':')[1]);
    await server.close();
    const pauses: number[] = [];
    const clock: Clock = {
      now: systemClock.now,
      sleep: async (ms, signal) => {
        pauses.push(ms);
        if (pauses.length === 2) await serve(inferRoute(echo), port);
        await systemClock.sleep(ms, signal); // the connection is made again in real time
      },
    };
    const client = connect({ router: address, clock, random: () => 1 });
    const result = await client.infer({ model: 'digits', inputs: PIXELS });
    expect(result.attempts).toBeGreaterThanOrEqual(2 + 2);
    expect(pauses.slice(0, 3)).toEqual([50, 100, 200].slice(0, pauses.length));
  });

  it('goes to the next router when one is gone', async () => {
    const { address } = await serve(inferRoute(echo));
    const client = connect({ router: ['127.0.0.1:1', address], clock: clockThat(() => undefined) });
    await expect(client.infer({ model: 'digits', inputs: PIXELS })).resolves.toMatchObject({ servedBy: 'worker-a' });
  });

  it('goes to the next router with what was not sent, whatever the attempts, and to each of them once', async () => {
    const { address } = await serve(inferRoute(echo));
    const retry = { attempts: 1 };
    const client = connect({ router: ['127.0.0.1:1', '127.0.0.1:2', address], retry });
    await expect(client.infer({ model: 'digits', inputs: PIXELS })).resolves.toMatchObject({ servedBy: 'worker-a' });
    const lost = connect({ router: ['127.0.0.1:1', '127.0.0.1:2'], retry });
    await expect(lost.infer({ model: 'digits', inputs: PIXELS })).rejects.toMatchObject({
      reason: Reason.CONNECTION_FAILED,
    });
  });

  it.each([
    ['a lost worker', Reason.WORKER_LOST, {}, 3],
    ['a lost worker where running twice does harm', Reason.WORKER_LOST, { idempotent: false }, 1],
    ['a version that is not ready', Reason.NOT_READY, {}, 3],
    ['a wrong tensor', Reason.INVALID_TENSOR, {}, 1],
    ['an unknown model', Reason.MODEL_NOT_FOUND, {}, 1],
    ['overload, which more calls would make worse', Reason.OVERLOADED, {}, 1],
  ])('tries again or not: %s', async (_name, reason, retry, calls) => {
    let served = 0;
    const { address } = await serve(
      inferRoute(() => {
        served++;
        throw new BmsError(reason, 'told so');
      }),
    );
    const client = connect({ router: address, clock: clockThat(() => undefined), retry: { attempts: 3 } });
    await expect(client.infer({ model: 'digits', inputs: PIXELS }, { retry })).rejects.toMatchObject({
      reason,
      message: 'told so',
    });
    expect(served).toBe(calls);
  });

  it('waits as long as the server asks for', async () => {
    const pauses: number[] = [];
    let served = 0;
    const { address } = await serve(
      inferRoute((request, call) => {
        if (served++ > 0) return echo(request, call);
        throw new BmsError(Reason.NOT_READY, 'still loading', { retryAfterMs: 777 });
      }),
    );
    const client = connect({ router: address, clock: clockThat((ms) => void pauses.push(ms)) });
    await client.infer({ model: 'digits', inputs: PIXELS });
    expect(pauses).toEqual([777]);
  });

  it('gives up rather than pause beyond the deadline', async () => {
    const { address } = await serve(
      inferRoute(() => {
        throw new BmsError(Reason.NOT_READY, 'still loading', { retryAfterMs: 60_000 });
      }),
    );
    const client = connect({ router: address });
    await expect(client.infer({ model: 'digits', inputs: PIXELS })).rejects.toMatchObject({ reason: Reason.NOT_READY });
  });

  it('throws DEADLINE_EXCEEDED when nobody answers in time', async () => {
    const { address } = await serve(inferRoute(() => new Promise(() => undefined)));
    const client = connect({ router: address });
    const call = client.infer({ model: 'digits', inputs: PIXELS }, { timeoutMs: 50 });
    await expect(call).rejects.toMatchObject({ reason: Reason.DEADLINE_EXCEEDED });
  });

  it('throws CANCELLED when the caller gives up', async () => {
    const caller = new AbortController();
    const { address } = await serve(
      inferRoute(() => {
        caller.abort();
        return new Promise(() => undefined);
      }),
    );
    const client = connect({ router: address });
    const call = client.infer({ model: 'digits', inputs: PIXELS }, { signal: caller.signal });
    await expect(call).rejects.toMatchObject({ reason: Reason.CANCELLED });
  });

  it('says INTERNAL where the answer contradicts itself', async () => {
    const output = { name: 'y', datatype: 'FP32', shape: [2n] };
    const answer = inference.ModelInferResponse.create({ outputs: [output], rawOutputContents: [new Uint8Array(3)] });
    const { address } = await serve(inferRoute(() => inference.ModelInferResponse.encode(answer).finish()));
    const client = connect({ router: address });
    await expect(client.infer({ model: 'digits', inputs: PIXELS })).rejects.toMatchObject({ reason: Reason.INTERNAL });
  });

  it('describes a model', async () => {
    const tensor = { name: 'pixels', datatype: 'FP32', shape: [-1n, 64n] };
    const answer = inference.ModelMetadataResponse.create({
      name: 'digits',
      versions: ['1', '2'],
      platform: 'onnx',
      inputs: [tensor],
    });
    let asked: inference.ModelMetadataRequest | undefined;
    const { address } = await serve(
      new Map<string, Route>([
        [
          '/inference.GRPCInferenceService/ModelMetadata',
          {
            kind: 'unary',
            handle: async (request) => {
              asked = inference.ModelMetadataRequest.decode(request);
              return inference.ModelMetadataResponse.encode(answer).finish();
            },
          },
        ],
      ]),
    );
    const client = connect({ router: address });
    await expect(client.describe({ model: 'digits', version: 2 })).resolves.toEqual({
      model: 'digits',
      versions: [1, 2],
      platform: 'onnx',
      inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64] }],
      outputs: [],
    });
    expect(asked).toEqual({ name: 'digits', version: '2' });
  });

  it('manages models in the name of its caller', async () => {
    const seen: ServerCall[] = [];
    const path = '/bms.models.v1.ModelService/ListModels';
    const answer = modelService.ListModelsResponse.encode({ models: [] }).finish();
    const { address } = await serve(
      new Map<string, Route>([[path, { kind: 'unary', handle: async (_request, call) => (seen.push(call), answer) }]]),
    );
    const client = connect({ admin: address, tenant: 'acme', token: 'secret', principal: 'ann@desk' });
    await expect(client.models.listModels({ tenant: 'acme' })).resolves.toEqual({ models: [] });
    expect(seen[0]?.metadata.get(CallMetadata.authorization)).toBe('Bearer secret');
    expect(seen[0]?.metadata.get(CallMetadata.principal)).toBe('ann@desk');
    expect(seen[0]?.deadlineMs).toBeGreaterThan(Date.now());
  });
});
