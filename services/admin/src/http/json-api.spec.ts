import { request as httpRequest } from 'node:http';
import { BmsError, meshService, models, modelService, Reason } from '@bms/contracts';
import { AdminUnderTest } from '../admin.testkit';
import type { ErrorAnswer } from './error-answer';

const STATE = '/bms.models.v1.ModelService/SetVersionState';
const STATUS = '/bms.mesh.v1.MeshService/GetMeshStatus';

describe('the management API over HTTP', () => {
  let admin: AdminUnderTest;
  beforeAll(async () => {
    admin = await AdminUnderTest.start();
  });
  afterAll(() => admin.stop());
  beforeEach(() => {
    admin.registry.calls.length = 0;
    admin.registry.answers.clear();
  });

  const post = async (
    method: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly body: unknown; readonly headers: Headers }> => {
    const response = await fetch(`${admin.http}/api/v1/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json(), headers: response.headers };
  };
  const trusted = (): Readonly<Record<string, string>> => ({
    authorization: `Bearer ${admin.token}`,
    'bms-principal': 'ann@desk',
  });

  it('answers a reading call as ProtoJSON with every field', async () => {
    const worker = { workerId: 'w1', pid: 12n, memory: { freeBytes: 2n ** 60n } };
    const status = meshService.GetMeshStatusResponse.create({ meshId: 'mesh-1', workers: [worker] });
    admin.registry.answers.set(STATUS, () => meshService.GetMeshStatusResponse.encode(status).finish());
    const answer = await post('MeshService/GetMeshStatus', {});
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      meshId: 'mesh-1',
      revision: '0',
      workers: [{ workerId: 'w1', pid: '12', attached: false, replicas: [], memory: { freeBytes: String(2n ** 60n) } }],
    });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(meshService.GetMeshStatusRequest.decode(admin.registry.calls[0]!.request).tenant).toBe('default');
  });

  it('forwards a change that brings the token, numbers as strings or as numbers', async () => {
    const version = models.Version.create({ state: models.VersionState.OFFLINE });
    admin.registry.answers.set(STATE, () => modelService.SetVersionStateResponse.encode({ version }).finish());
    const ref = { tenant: 'default', model: 'digits' };
    for (const number of [3, '3']) {
      const body = { ref: { ...ref, version: number }, state: 'VERSION_STATE_OFFLINE', force: true };
      const answer = await post('ModelService/SetVersionState', body, { ...trusted(), 'bms-request-id': 'r-9' });
      expect(answer.body).toMatchObject({ version: { state: 'VERSION_STATE_OFFLINE' } });
      expect(answer.headers.get('bms-request-id')).toBe('r-9');
    }
    expect(admin.registry.calls.map(({ request }) => modelService.SetVersionStateRequest.decode(request))).toEqual(
      Array(2).fill({ ref: { ...ref, version: 3n }, state: models.VersionState.OFFLINE, force: true }),
    );
    const { body } = await post('AdminService/ListAuditEntries', { limit: 1 });
    expect(body).toMatchObject({
      entries: [
        { principal: 'ann@desk', subject: 'default/digits@3 state=offline force', outcome: 'OK', requestId: 'r-9' },
      ],
    });
  });

  it('refuses a change without the token', async () => {
    const answer = await post('ModelService/SetVersionState', {});
    expect(answer.status).toBe(401);
    expect(answer.body).toMatchObject({
      error: { code: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED', violations: [] },
    });
    expect(admin.registry.calls).toEqual([]);
  });

  it('answers the registry’s refusal with its HTTP status and its violations', async () => {
    const violations = [{ field: 'model', description: 'there is none' }];
    admin.registry.answers.set('/bms.models.v1.ModelService/GetModel', () => {
      throw new BmsError(Reason.MODEL_NOT_FOUND, 'no such model', { violations });
    });
    const answer = await post('ModelService/GetModel', { model: 'x' });
    expect(answer.status).toBe(404);
    expect(answer.body).toEqual({
      error: { code: 'NOT_FOUND', reason: 'MODEL_NOT_FOUND', message: 'no such model', violations },
    });
  });

  it('hides what an internal error says', async () => {
    admin.registry.answers.set(STATUS, () => Uint8Array.of(0xff)); // no message
    const answer = await post('MeshService/GetMeshStatus', {});
    expect(answer.status).toBe(500);
    expect((answer.body as ErrorAnswer).error).toMatchObject({ reason: 'INTERNAL', message: 'an internal error' });
  });

  it.each([
    [
      'an unknown key',
      { modell: 'x' },
      400,
      'INVALID_REQUEST',
      'modell: is not a key of RegisterVersionRequest: allowed are tenant, model,',
    ],
    [
      'an unknown key of the config',
      { config: { threads: 1 } },
      400,
      'INVALID_CONFIG',
      'allowed are replicas, intraOpThreads, graphOptimization',
    ],
    [
      'a wrong value in the config',
      { config: { replicas: 'two' } },
      400,
      'INVALID_CONFIG',
      'replicas: expected number (int32), got "two"',
    ],
    [
      'a number that is none',
      { files: [{ sizeBytes: 'many' }] },
      400,
      'INVALID_REQUEST',
      'size_bytes: expected bigint (int64)',
    ],
    ['a list', [], 400, 'INVALID_REQUEST', 'body: a JSON object is needed'],
    ['no JSON', '{"model":', 400, 'INVALID_REQUEST', 'body: '],
    ['NaN', '{"config":{"replicas":NaN}}', 400, 'INVALID_REQUEST', 'body: '],
    ['a key that means harm', '{"__proto__":{"a":1}}', 400, 'INVALID_REQUEST', 'body: '],
  ])('refuses %s', async (_name, body, status, reason, sentence) => {
    const answer = await post('ModelService/RegisterVersion', body, trusted());
    const { error } = answer.body as ErrorAnswer;
    expect([answer.status, error.reason]).toEqual([status, reason]);
    expect(error.message).toContain(sentence);
    expect(admin.registry.calls).toEqual([]);
  });

  it('names the states that are allowed', async () => {
    const answer = await post('ModelService/SetVersionState', { state: 'GONE' }, trusted());
    expect((answer.body as ErrorAnswer).error.message).toContain(
      '"GONE" is not allowed: one of VERSION_STATE_UNSPECIFIED, VERSION_STATE_REGISTERED',
    );
  });

  it('takes JSON only, so that no form of another site can post here', async () => {
    const answer = await post('MeshService/GetMeshStatus', '{}', { 'content-type': 'text/plain' });
    expect(answer.status).toBe(400);
    expect((answer.body as ErrorAnswer).error.message).toBe('content-type: application/json is needed');
  });

  it('answers 404 where nothing is, and says what there is', async () => {
    const unknown = await post('ModelService/Explode', {});
    expect(unknown.status).toBe(404);
    expect((unknown.body as ErrorAnswer).error.message).toContain('ModelService/RegisterVersion');
    const page = await fetch(`${admin.http}/nothing`);
    expect([page.status, ((await page.json()) as ErrorAnswer).error.reason]).toEqual([404, 'UNIMPLEMENTED']);
  });

  it('refuses a Host that is not its own: a page elsewhere may have had its name resolve to here', async () => {
    const { hostname, port } = new URL(admin.http);
    const status = await new Promise((resolve, reject) => {
      const options = { hostname, port, path: '/', headers: { host: 'evil.example' } };
      httpRequest(options, (response) => resolve(response.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });

  it('cancels the registry’s call when the caller leaves', async () => {
    const caller = new AbortController();
    const cancelled = new Promise<void>((resolve) => {
      admin.registry.answers.set(STATUS, (_request, { signal }) => {
        signal.addEventListener('abort', () => resolve());
        caller.abort();
        return new Promise(() => undefined);
      });
    });
    const headers = { 'content-type': 'application/json' };
    const call = fetch(`${admin.http}/api/v1/MeshService/GetMeshStatus`, {
      method: 'POST',
      headers,
      body: '{}',
      signal: caller.signal,
    });
    await expect(call).rejects.toThrow();
    await cancelled;
  });

  it('serves the dashboard without a word from elsewhere', async () => {
    for (const [path, type] of [
      ['/', 'text/html'],
      ['/dashboard.js', 'text/javascript'],
      ['/dashboard.css', 'text/css'],
    ] as const) {
      const response = await fetch(`${admin.http}${path}`);
      const text = await response.text();
      expect([response.status, response.headers.get('content-type')?.split(';')[0]]).toEqual([200, type]);
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(text).not.toMatch(/https?:\/\/|innerHTML|eval\(|style=|onclick/);
    }
  });
});
