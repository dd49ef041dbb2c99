import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { BmsError, CallMetadata, inference, models, Reason } from '@bms/contracts';
import { Metadata } from '@bms/transport';
import { Catalog } from './catalog/catalog';
import { findVersion, requirePublished, requireReady } from './catalog/resolve-version';
import { RouteTable } from './catalog/route-table';
import { modelRoute, routeSnapshot, workerRoute } from './catalog/routes.testkit';
import { systemClock } from './clock';
import type { InferCall, InferResult } from './infer-call';
import { ByteBudget } from './layers/bound-bytes';
import { translate } from './layers/translate';
import { RestHandler } from './rest.handler';
import { RestServer } from './rest/rest-server';

const { ModelInferRequest, ModelInferResponse } = inference;
const LIMIT_BYTES = 10_000;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: unknown;
}

/** Doubles what the worker would: sums each row of pixels. */
function sums(request: inference.ModelInferRequest): inference.ModelInferResponse {
  const raw = request.rawInputContents[0] ?? new Uint8Array();
  const values = new Float32Array(Uint8Array.from(raw).buffer);
  const rows = values.length / 2;
  const result = Float32Array.from({ length: rows }, (_, row) => (values[2 * row] ?? 0) + (values[2 * row + 1] ?? 0));
  return ModelInferResponse.create({
    modelName: request.modelName,
    modelVersion: request.modelVersion,
    outputs: [{ name: 'sums', datatype: 'FP32', shape: [BigInt(rows)] }],
    rawOutputContents: [new Uint8Array(result.buffer)],
  });
}

describe("TensorFlow Serving's REST", () => {
  let server: RestServer;
  let port: number;
  let budget: ByteBudget;
  const seen: InferCall[] = [];
  let worker: (request: inference.ModelInferRequest, call: InferCall) => Promise<inference.ModelInferResponse>;

  const catalog = new Catalog();
  catalog.replace(
    RouteTable.of(
      routeSnapshot(
        1,
        [
          modelRoute(
            'digits',
            [
              { version: 1, state: models.VersionState.OFFLINE },
              { version: 2, ready: ['w1'] },
              { version: 3, reason: 'it is being loaded by a worker' },
              { version: 4, state: models.VersionState.REGISTERED },
            ],
            { active: 2, labels: { stable: 2 } },
          ),
        ],
        [workerRoute('w1')],
      ),
    ),
  );

  /** The stack, but for its ends: resolves, translates, and asks the spec's worker. */
  const infer = async (call: InferCall): Promise<InferResult> => {
    seen.push(call);
    const version = findVersion(catalog.current, call.progress.tenant, call.model);
    call.progress.version = version;
    requirePublished(version);
    requireReady(version);
    return translate(async ({ body, progress }) => {
      if (body.kind !== 'oip') throw new Error('not translated');
      progress.attempts = 1;
      progress.workerId = 'w1';
      const answer = await worker(ModelInferRequest.decode(body.bytes), call);
      return {
        body: ModelInferResponse.encode(answer).finish(),
        version,
        trailers: new Metadata().set(CallMetadata.computeUs, '77'),
      };
    })(call);
  };

  beforeEach(async () => {
    seen.length = 0;
    worker = async (request) => sums(request);
    budget = new ByteBudget(15_000);
    const handler = new RestHandler({
      infer,
      refuse: (_, error) => BmsError.from(error),
      catalog,
      isReady: ({ readyWorkers }) => readyWorkers.length > 0,
      budget,
      messageLimitBytes: LIMIT_BYTES,
      clock: systemClock,
      newRequestId: () => 'made-up-id',
      defaultDeadlineMs: 60_000,
      onInternalError: () => {},
    });
    server = new RestServer((request, response, asked) => handler.handle(request, response, asked));
    port = await server.listen({ host: '127.0.0.1', port: 0 });
  });
  afterEach(async () => {
    await server.close();
    expect(budget.takenBytes).toBe(0);
  });

  const send = async (
    method: string,
    path: string,
    body: string | Buffer = '',
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const request = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const pieces: Buffer[] = [];
    for await (const piece of response) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    const json = text === '' ? undefined : (JSON.parse(text) as unknown);
    return { status: response.statusCode ?? 0, headers: response.headers, text, json };
  };
  const predict = (body: unknown, path = '/v1/models/digits:predict', headers: Record<string, string> = {}) =>
    send('POST', path, typeof body === 'string' ? body : JSON.stringify(body), headers);

  describe('predict', () => {
    it.each([
      [
        'rows',
        {
          instances: [
            [1, 2],
            [3, 4.5],
          ],
        },
        { predictions: [3, 7.5] },
      ],
      ['rows of named inputs', { instances: [{ pixels: [1, 2] }] }, { predictions: [3] }],
      [
        'columns',
        {
          inputs: [
            [1, 2],
            [3, 4],
          ],
        },
        { outputs: [3, 7] },
      ],
      ['named columns', { inputs: { pixels: [[1, 2]] }, signature_name: 'serving_default' }, { outputs: [3] }],
    ])('answers %s in the form of the request', async (_name, body, expected) => {
      const { status, headers, json } = await predict(body);
      expect([status, json]).toEqual([200, expected]);
      expect(headers['content-type']).toBe('application/json');
    });

    it('asks for the version that the address names, by number and by label', async () => {
      await predict({ instances: [[1, 2]] }, '/v1/models/digits/versions/2:predict');
      await predict({ instances: [[1, 2]] }, '/v1/models/digits/labels/stable:predict');
      expect(seen.map(({ model }) => model.selector)).toEqual([
        { kind: 'version', digits: '2' },
        { kind: 'label', label: 'stable' },
      ]);
    });

    it('sends the worker the version found and raw values, as its signature says', async () => {
      let received: inference.ModelInferRequest | undefined;
      worker = async (request) => {
        received = request;
        return sums(request);
      };
      await predict({ instances: [[1, 2]] });
      expect(received).toMatchObject({ modelName: 'digits', modelVersion: '2' });
      expect(received?.inputs[0]).toMatchObject({ name: 'pixels', datatype: 'FP32', shape: [1n, 2n] });
      expect(Buffer.from(received?.rawInputContents[0] ?? []).toString('hex')).toBe('0000803f00000040');
    });

    it('tells the request id, the worker, the attempts and the time of the run', async () => {
      const { headers } = await predict({ instances: [[1, 2]] }, undefined, { 'x-request-id': 'mine-1' });
      expect(headers).toMatchObject({
        'x-request-id': 'mine-1',
        'bms-served-by': 'w1',
        'bms-attempts': '1',
        'bms-compute-us': '77',
      });
      expect(seen[0]?.requestId).toBe('mine-1');
      const { headers: others } = await predict({ instances: [[1, 2]] }, undefined, { 'x-request-id': 'not sane' });
      expect(others['x-request-id']).toBe('made-up-id');
    });

    it('passes on who asks', async () => {
      await predict({ instances: [[1, 2]] }, undefined, {
        authorization: 'Bearer x',
        'bms-tenant': 'acme',
        'bms-principal': 'lab',
      });
      expect(seen[0]?.credentials).toEqual({ authorization: 'Bearer x', tenant: 'acme', principal: 'lab' });
    });

    it('takes gzip', async () => {
      const body = gzipSync(JSON.stringify({ instances: [[1, 2]] }));
      const { json } = await send('POST', '/v1/models/digits:predict', body, { 'content-encoding': 'gzip' });
      expect(json).toEqual({ predictions: [3] });
    });

    it('needs no content type, and minds no query', async () => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      expect((await predict({ instances: [[1, 2]] }, '/v1/models/digits:predict?x=1', headers)).status).toBe(200);
    });

    it.each([
      ['not JSON', '{"instances": [[1, 2]', 400, 'INVALID_REQUEST', 'is not JSON'],
      ['nothing', '', 400, 'INVALID_REQUEST', 'body'],
      ['NaN', '{"instances": [[1, NaN]]}', 400, 'INVALID_REQUEST', 'instances'],
      ['rows of unequal length', { instances: [[1, 2], [3]] }, 400, 'INVALID_TENSOR', 'instances[1]'],
      ['text for numbers', { instances: [[1, 'x']] }, 400, 'INVALID_TENSOR', 'instances[0][1]'],
      ['an unknown input', { inputs: { pixel: [[1, 2]] } }, 400, 'INVALID_TENSOR', 'inputs.pixel'],
      ['both forms', { inputs: [[1, 2]], instances: [[1, 2]] }, 400, 'INVALID_REQUEST', '"instances"'],
    ])('refuses %s, and names the place', async (_name, body, status, reason, place) => {
      const answer = await predict(body);
      expect([answer.status, answer.headers['bms-reason']]).toEqual([status, reason]);
      expect((answer.json as { error: string }).error).toContain(place);
      expect(Object.keys(answer.json as object)).toEqual(['error']);
    });

    it.each([
      ['an unknown model', '/v1/models/nope:predict', 404, 'MODEL_NOT_FOUND', undefined],
      ['an unknown version', '/v1/models/digits/versions/9:predict', 404, 'VERSION_NOT_FOUND', undefined],
      ['an unknown label', '/v1/models/digits/labels/beta:predict', 404, 'LABEL_NOT_FOUND', undefined],
      ['an offline version', '/v1/models/digits/versions/1:predict', 404, 'VERSION_OFFLINE', undefined],
      ['a version that is not ready', '/v1/models/digits/versions/3:predict', 503, 'NOT_READY', '1'],
    ])('refuses %s', async (_name, path, status, reason, retryAfter) => {
      const { status: got, headers, json } = await predict({ instances: [[1, 2]] }, path);
      expect([got, headers['bms-reason'], headers['retry-after']]).toEqual([status, reason, retryAfter]);
      expect((json as { error: string }).error.length).toBeGreaterThan(20);
    });

    it.each([
      [Reason.OVERLOADED, 429, 250, '1'],
      [Reason.DEADLINE_EXCEEDED, 504, undefined, undefined],
      [Reason.MODEL_FAILED, 500, undefined, undefined],
      [Reason.UNAUTHENTICATED, 401, undefined, undefined],
    ])('answers reason %i with %i', async (reason, status, retryAfterMs, retryAfter) => {
      worker = async () => {
        throw new BmsError(reason, 'scripted', retryAfterMs === undefined ? {} : { retryAfterMs });
      };
      const answer = await predict({ instances: [[1, 2]] });
      expect([answer.status, answer.json, answer.headers['retry-after']]).toEqual([
        status,
        { error: 'scripted' },
        retryAfter,
      ]);
    });

    it('aborts the call when the caller leaves', async () => {
      let aborted: Promise<unknown> | undefined;
      let arrive = (): void => {};
      const arrived = new Promise<void>((resolve) => (arrive = resolve));
      worker = async (_request, { signal }) => {
        aborted = new Promise<void>((resolve) => signal.addEventListener('abort', resolve));
        arrive();
        await aborted;
        throw new BmsError(Reason.CANCELLED, 'gone');
      };
      const socket = connect(port, '127.0.0.1');
      const body = '{"instances": [[1, 2]]}';
      socket.write(
        `POST /v1/models/digits:predict HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      await arrived;
      socket.destroy();
      await aborted;
    });
  });

  describe('size', () => {
    const tooMuch = JSON.stringify({ instances: [Array.from({ length: LIMIT_BYTES }, () => 1)] });

    it.each([
      ['declared', tooMuch, {}],
      ['not declared', tooMuch, { 'transfer-encoding': 'chunked' }],
      ['unfolded', gzipSync(tooMuch), { 'content-encoding': 'gzip' }],
    ])('is limited, where it is %s', async (_name, body, headers) => {
      const answer = await send('POST', '/v1/models/digits:predict', body, headers);
      expect([answer.status, answer.headers['bms-reason'], answer.headers['connection']]).toEqual([
        413,
        'MESSAGE_TOO_LARGE',
        'close',
      ]);
      expect((answer.json as { error: string }).error).toContain(`limit of ${LIMIT_BYTES} bytes`);
      expect((answer.json as { error: string }).error).toContain('messageLimit');
    });

    it('refuses what is too large before it is sent, where the caller asks', async () => {
      const socket = connect(port, '127.0.0.1');
      socket.write(
        'POST /v1/models/digits:predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n',
      );
      const [first] = (await once(socket, 'data')) as [Buffer];
      expect(first.toString()).toMatch(/^HTTP\/1\.1 413 /);
      socket.destroy();
    });

    it('lets a caller that asks go on', async () => {
      const request = httpRequest({
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: '/v1/models/digits:predict',
        headers: { expect: '100-continue' },
        agent: false,
      });
      request.flushHeaders();
      await once(request, 'continue');
      request.end('{"instances": [[1, 2]]}');
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      expect(response.statusCode).toBe(200);
      response.resume();
      await once(response, 'end');
    });

    it('answers a bomb of gzip without unfolding it', async () => {
      const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024));
      const answer = await send('POST', '/v1/models/digits:predict', bomb, { 'content-encoding': 'gzip' });
      expect(answer.status).toBe(413);
    });

    it.each([
      ['gzip that breaks off', gzipSync('{"instances": [[1, 2]]}').subarray(0, 20), 'gzip', 'is not gzip'],
      ['no gzip', Buffer.from('{}'), 'gzip', 'is not gzip'],
      ['an unknown encoding', Buffer.from('{}'), 'br', 'content-encoding'],
    ])('refuses %s', async (_name, body, encoding, sentence) => {
      const answer = await send('POST', '/v1/models/digits:predict', body, { 'content-encoding': encoding });
      expect(answer.status).toBe(400);
      expect((answer.json as { error: string }).error).toContain(sentence);
    });

    it('holds bodies against the budget, and gives a caller without room a hint', async () => {
      let answer = (): void => {};
      const held = new Promise<void>((resolve) => (answer = resolve));
      let arrive = (): void => {};
      const arrived = new Promise<void>((resolve) => (arrive = resolve));
      worker = async (request) => {
        arrive();
        await held;
        return sums(request);
      };
      const body = `{"instances": [[1, 2]]}${' '.repeat(9_000)}`;
      const first = predict(body);
      await arrived;
      const second = await predict(body);
      expect([second.status, second.headers['retry-after']]).toEqual([429, '1']);
      answer();
      expect((await first).status).toBe(200);
    });
  });

  describe('what there is', () => {
    it("tells all versions' states, the newest first", async () => {
      const { json } = await send('GET', '/v1/models/digits');
      const ok = { error_code: 'OK', error_message: '' };
      expect(json).toEqual({
        model_version_status: [
          { version: '4', state: 'START', status: ok },
          {
            version: '3',
            state: 'LOADING',
            status: { error_code: 'UNAVAILABLE', error_message: 'it is being loaded by a worker' },
          },
          { version: '2', state: 'AVAILABLE', status: ok },
          { version: '1', state: 'END', status: ok },
        ],
      });
    });

    it.each(['/v1/models/digits/versions/2', '/v1/models/digits/labels/stable'])(
      'tells the state of %s',
      async (path) => {
        const { json } = await send('GET', path);
        expect(json).toEqual({
          model_version_status: [{ version: '2', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }],
        });
      },
    );

    it('tells the signature', async () => {
      const { json } = await send('GET', '/v1/models/digits/metadata');
      const dim = (size: string, name: string) => ({ size, name });
      expect(json).toEqual({
        model_spec: { name: 'digits', signature_name: '', version: '2' },
        metadata: {
          signature_def: {
            signature_def: {
              serving_default: {
                inputs: {
                  pixels: {
                    dtype: 'DT_FLOAT',
                    tensor_shape: { dim: [dim('-1', 'batch'), dim('2', '')], unknown_rank: false },
                    name: 'pixels',
                  },
                },
                outputs: {
                  sums: {
                    dtype: 'DT_FLOAT',
                    tensor_shape: { dim: [dim('-1', 'batch')], unknown_rank: false },
                    name: 'sums',
                  },
                },
                method_name: 'tensorflow/serving/predict',
              },
            },
          },
        },
      });
    });

    it.each([
      ['GET', '/v1/models/nope', 404, 'has no model "nope"'],
      ['GET', '/v1/models/digits/versions/1/metadata', 404, 'is offline'],
      ['GET', '/', 404, 'there is POST /v1/models/NAME:predict'],
      ['GET', '/v1/models/digits:predict', 405, 'GET is not allowed here: POST is'],
      ['DELETE', '/v1/models/digits', 405, 'DELETE is not allowed here: GET is'],
      ['POST', '/v1/models/digits:regress', 501, 'not offered'],
    ])('refuses %s %s with %i', async (method, path, status, sentence) => {
      const answer = await send(method, path);
      expect(answer.status).toBe(status);
      expect((answer.json as { error: string }).error).toContain(sentence);
    });

    it('answers HEAD like GET, without a body', async () => {
      const answer = await send('HEAD', '/v1/models/digits');
      expect([answer.status, answer.text]).toEqual([200, '']);
      expect((await send('GET', '/v1/models/digits:predict')).headers['allow']).toBe('POST');
    });
  });

  describe('connections', () => {
    const readAll = async (socket: Socket): Promise<string> => {
      const pieces: Buffer[] = [];
      for await (const piece of socket) pieces.push(piece as Buffer);
      return Buffer.concat(pieces).toString();
    };

    it('are kept for the next request', async () => {
      const socket = connect(port, '127.0.0.1');
      const get = 'GET /v1/models/digits HTTP/1.1\r\nhost: x\r\n\r\n';
      socket.write(get);
      await once(socket, 'data');
      socket.write(get.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
      expect(await readAll(socket)).toContain('HTTP/1.1 200 OK');
    });

    it.each([
      ['no HTTP', 'hello\r\n\r\n', '400 Bad Request'],
      [
        'headers without end',
        `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
        '431 Request Header Fields Too Large',
      ],
    ])('end with an answer in JSON after %s', async (_name, bytes, status) => {
      const socket = connect(port, '127.0.0.1');
      socket.write(bytes);
      const answer = await readAll(socket);
      expect(answer).toContain(`HTTP/1.1 ${status}\r\n`);
      expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toHaveProperty('error');
    });

    it('are closed by a drain, after what is in flight is answered', async () => {
      let answer = (): void => {};
      const held = new Promise<void>((resolve) => (answer = resolve));
      let arrive = (): void => {};
      const arrived = new Promise<void>((resolve) => (arrive = resolve));
      worker = async (request) => {
        arrive();
        await held;
        return sums(request);
      };
      const idle = connect(port, '127.0.0.1');
      idle.write('GET /v1/models/digits HTTP/1.1\r\nhost: x\r\n\r\n');
      await once(idle, 'data');
      const busy = predict({ instances: [[1, 2]] });
      await arrived;
      const drained = server.drain(new AbortController().signal);
      await once(idle, 'close');
      answer();
      const { status, headers } = await busy;
      expect([status, headers['connection']]).toEqual([200, 'close']);
      await drained;
    });
  });
});
