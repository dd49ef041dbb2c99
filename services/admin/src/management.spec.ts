import { verifyUploadTicket } from '@bms/auth';
import {
  adminService,
  BmsError,
  CallMetadata,
  health,
  meshService,
  models,
  modelService,
  Reason,
  reflectionV1,
} from '@bms/contracts';
import { createClient, Metadata } from '@bms/transport';
import { AdminUnderTest } from './admin.testkit';

const LIST = '/bms.models.v1.ModelService/ListModels';
const ACTIVATE = '/bms.models.v1.ModelService/ActivateVersion';
const REGISTER = '/bms.models.v1.ModelService/RegisterVersion';
const STATE = '/bms.models.v1.ModelService/SetVersionState';
const STATUS = '/bms.mesh.v1.MeshService/GetMeshStatus';
const REF = { tenant: 'default', model: 'digits', version: 2n };
const SHA = 'a'.repeat(64);

describe('the management API over gRPC', () => {
  let admin: AdminUnderTest;
  const modelsOf = () => createClient(modelService.ModelServiceDefinition, admin.channel);
  const own = () => createClient(adminService.AdminServiceDefinition, admin.channel);
  const audited = async (tenant = 'default'): Promise<readonly adminService.AuditEntry[]> =>
    (await own().listAuditEntries({ tenant, limit: 0 })).entries;

  beforeEach(async () => {
    admin = await AdminUnderTest.start();
    const answer = modelService.ActivateVersionResponse.create({ previousVersion: 1n });
    admin.registry.answers.set(ACTIVATE, () => modelService.ActivateVersionResponse.encode(answer).finish());
    admin.registry.answers.set(LIST, () => modelService.ListModelsResponse.encode({ models: [] }).finish());
  });
  afterEach(() => admin.stop());

  it('forwards a change byte by byte, in the mesh’s name and with the caller’s', async () => {
    const request = modelService.ActivateVersionRequest.create({ ref: REF, timeoutMs: 5n });
    const response = await modelsOf().activateVersion(request, admin.trusted({ [CallMetadata.requestId]: 'r-1' }));
    expect(response.previousVersion).toBe(1n);
    const [forwarded] = admin.registry.calls;
    expect(forwarded?.request).toEqual(new Uint8Array(modelService.ActivateVersionRequest.encode(request).finish()));
    const { metadata } = forwarded!.call;
    const names = [CallMetadata.authorization, CallMetadata.principal, CallMetadata.tenant, CallMetadata.requestId];
    expect(names.map((name) => metadata.get(name))).toEqual([`Bearer ${admin.token}`, 'ann@desk', 'default', 'r-1']);
  });

  it('lets anybody read', async () => {
    await expect(modelsOf().listModels({ tenant: 'default' })).resolves.toEqual({ models: [] });
  });

  it.each([
    ['no token', {}, 'none was sent'],
    ['a wrong token', { [CallMetadata.authorization]: 'Bearer wrong' }, 'another was sent'],
  ])('refuses a change with %s, and the registry never hears of it', async (_name, metadata, sentence) => {
    const call = modelsOf().activateVersion({ ref: REF, timeoutMs: 0n }, { metadata: Metadata.from(metadata) });
    await expect(call).rejects.toMatchObject({
      reason: Reason.UNAUTHENTICATED,
      message: expect.stringContaining(sentence) as unknown,
    });
    expect(admin.registry.calls).toEqual([]);
    await expect(audited()).resolves.toEqual([]);
  });

  it('refuses a wrong token for reading, too', async () => {
    const metadata = Metadata.from({ [CallMetadata.authorization]: 'Bearer wrong' });
    await expect(modelsOf().listModels({ tenant: 'default' }, { metadata })).rejects.toMatchObject({
      reason: Reason.UNAUTHENTICATED,
    });
  });

  it('fills in the tenant that a request leaves out', async () => {
    const metadata = Metadata.from({ [CallMetadata.tenant]: 'acme' });
    await modelsOf().listModels({ tenant: '' }, { metadata });
    await modelsOf().listModels({ tenant: '' });
    const request = modelService.ActivateVersionRequest.create({ ref: { ...REF, tenant: '' } });
    await modelsOf().activateVersion(request, admin.trusted());
    const [one, other, third] = admin.registry.calls;
    expect(modelService.ListModelsRequest.decode(one!.request).tenant).toBe('acme');
    expect(modelService.ListModelsRequest.decode(other!.request).tenant).toBe('default');
    expect(modelService.ActivateVersionRequest.decode(third!.request).ref).toEqual(REF);
  });

  it('refuses a request for another tenant than the caller’s', async () => {
    const metadata = Metadata.from({ [CallMetadata.tenant]: 'acme' });
    const call = modelsOf().listModels({ tenant: 'other' }, { metadata });
    await expect(call).rejects.toMatchObject({ reason: Reason.PERMISSION_DENIED });
  });

  it('passes the registry’s refusal on as it is', async () => {
    const violations = [{ field: 'ref.version', description: 'there is no version 9' }];
    admin.registry.answers.set(ACTIVATE, () => {
      throw new BmsError(Reason.VERSION_NOT_FOUND, 'digits@9 is not there', {
        violations,
        retryAfterMs: 1_500,
        facts: { model: 'digits' },
      });
    });
    const call = modelsOf().activateVersion({ ref: { ...REF, version: 9n }, timeoutMs: 0n }, admin.trusted());
    await expect(call).rejects.toMatchObject({
      reason: Reason.VERSION_NOT_FOUND,
      message: 'digits@9 is not there',
      violations,
      retryAfterMs: 1_500,
      facts: { model: 'digits' },
    });
  });

  it('forwards the deadline, and the cancelling', async () => {
    const caller = new AbortController();
    let aborted: (() => void) | undefined;
    const cancelled = new Promise<void>((resolve) => (aborted = resolve));
    admin.registry.answers.set(LIST, (_request, { signal }) => {
      signal.addEventListener('abort', () => aborted?.());
      caller.abort();
      return new Promise(() => undefined);
    });
    const deadlineMs = Date.now() + 60_000;
    const call = modelsOf().listModels({ tenant: 'default' }, { signal: caller.signal, deadlineMs });
    await expect(call).rejects.toMatchObject({ reason: Reason.CANCELLED });
    await cancelled;
    const received = admin.registry.calls[0]?.call.deadlineMs ?? 0;
    expect(Math.abs(received - deadlineMs)).toBeLessThan(5_000);
  });

  it('refuses bytes that are no message', async () => {
    const call = admin.channel.unary(LIST, Uint8Array.of(0xff, 0xff, 0xff));
    await expect(call).rejects.toMatchObject({ reason: Reason.INVALID_REQUEST });
  });

  it('keeps a trail of who changed what, and of what was refused, newest first', async () => {
    admin.registry.answers.set(REGISTER, () => {
      const version = models.Version.create({ ref: { ...REF, version: 7n } });
      return modelService.RegisterVersionResponse.encode({ version }).finish();
    });
    admin.registry.answers.set(STATE, () => {
      throw new BmsError(Reason.IN_USE, 'it is active');
    });
    await modelsOf().registerVersion(
      modelService.RegisterVersionRequest.create({ tenant: 'default', model: 'digits' }),
      admin.trusted(),
    );
    await modelsOf().activateVersion({ ref: REF, timeoutMs: 0n }, admin.trusted({ [CallMetadata.requestId]: 'r-2' }));
    const deleting = { ref: REF, state: models.VersionState.DELETED, force: true };
    await expect(modelsOf().setVersionState(deleting, admin.trusted())).rejects.toMatchObject({
      reason: Reason.IN_USE,
    });
    await modelsOf().listModels({ tenant: 'default' }); // reading leaves no trace
    const entries = await audited();
    expect(entries.map(({ method, subject, outcome, principal }) => [method, subject, outcome, principal])).toEqual([
      [STATE, 'default/digits@2 state=deleted force', 'IN_USE', 'ann@desk'],
      [ACTIVATE, 'default/digits@2', 'OK', 'ann@desk'],
      [REGISTER, 'default/digits@7', 'OK', 'ann@desk'],
    ]);
    expect(entries[1]?.requestId).toBe('r-2');
    await expect(audited('acme')).resolves.toEqual([]);
  });

  it('gives a ticket for the files that were named, and says where to upload', async () => {
    const files = [models.ArtifactFile.create({ path: 'm.onnx', sizeBytes: 12n, sha256: SHA })];
    const request = { tenant: 'default', model: 'digits', files };
    const answer = await own().createUpload(request, admin.trusted());
    expect(answer.blobAddresses).toEqual([admin.registry.address]);
    await expect(verifyUploadTicket(admin.token, answer.ticket, Date.now())).resolves.toMatchObject({
      tenant: 'default',
      model: 'digits',
      principal: 'ann@desk',
      blobs: { [SHA]: 12 },
    });
    await expect(own().createUpload(request)).rejects.toMatchObject({ reason: Reason.UNAUTHENTICATED });
  });

  it.each([
    ['a name that is none', { model: '../x' }, 'model: "../x" is not allowed'],
    ['no files', { files: [] }, 'files: at least one file is needed'],
    [
      'a path that steps back',
      { files: [{ path: '../m.onnx', sizeBytes: 1n, sha256: SHA }] },
      'files[0].path: "../m.onnx" leaves the folder',
    ],
    [
      'a digest that is none',
      { files: [{ path: 'm.onnx', sizeBytes: 1n, sha256: 'A' }] },
      'files[0].sha256: "A" is not a SHA-256',
    ],
    [
      'a size below 0',
      { files: [{ path: 'm.onnx', sizeBytes: -1n, sha256: SHA }] },
      'files[0].size_bytes: -1 is not allowed',
    ],
    [
      'one digest with two sizes',
      { files: [1n, 2n].map((sizeBytes) => ({ path: `m${sizeBytes}`, sizeBytes, sha256: SHA })) },
      'files[1].size_bytes: another file with the same sha256 has another size',
    ],
  ])('gives no ticket for %s', async (_name, part, sentence) => {
    const files = [models.ArtifactFile.create({ path: 'm.onnx', sizeBytes: 12n, sha256: SHA })];
    const call = own().createUpload({ tenant: 'default', model: 'digits', files, ...part }, admin.trusted());
    await expect(call).rejects.toMatchObject({
      reason: Reason.INVALID_REQUEST,
      message: expect.stringContaining(sentence) as unknown,
    });
  });

  it('refuses a limit that is out of range', async () => {
    const call = own().listAuditEntries({ tenant: 'default', limit: 1_001 });
    await expect(call).rejects.toThrow('limit: is 1001: 1 to 1000 is allowed');
  });

  it('serves health, reflection and the operations endpoints', async () => {
    await expect(createClient(health.HealthDefinition, admin.channel).check({ service: '' })).resolves.toEqual({
      status: health.HealthCheckResponse_ServingStatus.SERVING,
    });
    const reflection = createClient(reflectionV1.ServerReflectionDefinition, admin.channel);
    async function* questions(): AsyncIterable<reflectionV1.ServerReflectionRequest> {
      yield reflectionV1.ServerReflectionRequest.create({ messageRequest: { $case: 'listServices', value: '' } });
    }
    for await (const { messageResponse } of reflection.serverReflectionInfo(questions())) {
      expect(JSON.stringify(messageResponse)).toContain('bms.admin.v1.AdminService');
    }
    admin.registry.answers.set(STATUS, () =>
      meshService.GetMeshStatusResponse.encode(meshService.GetMeshStatusResponse.create({})).finish(),
    );
    await createClient(meshService.MeshServiceDefinition, admin.channel).getMeshStatus({ tenant: '' });
    const ready = await fetch(`${admin.operations}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([200, 'ready\n']);
    const metrics = await (await fetch(`${admin.operations}/metrics`)).text();
    expect(metrics).toMatch(/bms_admin_calls_total\{.*method="\/bms.mesh.v1.MeshService\/GetMeshStatus".*\} 1/);
  });
});

describe('with several registries', () => {
  it('goes to the next one when one is not there', async () => {
    const admin = await AdminUnderTest.start(['127.0.0.1:1']);
    try {
      admin.registry.answers.set(LIST, () => modelService.ListModelsResponse.encode({ models: [] }).finish());
      const call = createClient(modelService.ModelServiceDefinition, admin.channel).listModels({ tenant: 'default' });
      await expect(call).resolves.toEqual({ models: [] });
    } finally {
      await admin.stop();
    }
  });
});
