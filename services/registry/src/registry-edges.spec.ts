import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearer, signDownloadTicket } from '@bms/auth';
import { CallMetadata, health, models, modelService, Reason, reflectionV1 } from '@bms/contracts';
import { FolderTakenError, StartError } from '@bms/lifecycle';
import { openEmbeddedStore, type Write } from '@bms/metastore';
import { addModel, externalDataModel, identityModel } from '@bms/onnx-inspect/testkit';
import { createLogger } from '@bms/telemetry';
import { createClient, Metadata } from '@bms/transport';
import { startRegistry } from './compose';
import { loadConfig, storeFolder } from './config';
import { FakeRouter } from './fake-router.testkit';
import { FakeWorker } from './fake-worker.testkit';
import { KeyLayout } from './records/keys';
import { meshFormat, versionFormat } from './records/values';
import { versionRecord } from './watch/mesh-builder.testkit';
import { messages, MODEL, ref, RunningRegistry, sha256Of } from './running-registry.testkit';

const { PUBLISHED, REGISTERED, UNSPECIFIED } = models.VersionState;
const ZIP = new Uint8Array([0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0, 1, 2, 3, 4]);

describe('a registry', () => {
  let registry: RunningRegistry;
  beforeAll(async () => {
    registry = await RunningRegistry.start();
  });
  afterAll(() => registry.close());

  describe('asked to register', () => {
    const register = async (request: Partial<modelService.RegisterVersionRequest>) => {
      const full = modelService.RegisterVersionRequest.create({ model: MODEL, ...request });
      const { version } = await registry.models.registerVersion(full, registry.trusted);
      if (version === undefined) throw new Error('no version');
      return version;
    };
    const model = () => registry.upload('model.onnx', identityModel());

    it('reads the signature, opset and digest from what was pushed, and keeps who and why', async () => {
      const [file, extra] = [
        await registry.upload('sum.onnx', addModel()),
        await registry.upload('a/labels.txt', new Uint8Array([65])),
      ];
      const version = await register({
        model: 'sum',
        files: [file, extra],
        notes: 'adds',
        config: models.VersionConfig.create({ replicas: 1, intraOpThreads: 2, graphOptimization: 'basic' }),
      });
      expect(version).toMatchObject({
        ref: { tenant: 'default', model: 'sum', version: 1n },
        state: REGISTERED,
        artifact: {
          entry: 'sum.onnx',
          files: [{ path: 'a/labels.txt' }, { path: 'sum.onnx' }],
          sizeBytes: file.sizeBytes + 1n,
        },
        signature: {
          inputs: [{ name: 'a', datatype: 'FP32' }, { name: 'b' }],
          outputs: [{ name: 'sum', shape: [-1n, 2n] }],
        },
        config: { replicas: 1, intraOpThreads: 2, graphOptimization: 'basic' },
        notes: 'adds',
        createdBy: 'ann',
      });
      const lines = `${extra.sha256}  a/labels.txt\n${file.sha256}  sum.onnx\n`;
      expect(version.artifact?.digest).toBe(sha256Of(new TextEncoder().encode(lines)));
      expect(version.opset).toMatch(/ai\.onnx \d+/);
    });

    it('takes weights that lie beside the model', async () => {
      const { model: bytes, data } = externalDataModel('weights/all.bin');
      const files = [
        await registry.upload('net/model.onnx', bytes),
        await registry.upload('net/weights/all.bin', data),
      ];
      const version = await register({ model: 'external', files, entry: 'net/model.onnx' });
      expect(version.artifact?.entry).toBe('net/model.onnx');
    });

    it.each<[string, () => Promise<Partial<modelService.RegisterVersionRequest>>, Reason, string]>([
      ['no files', async () => ({}), Reason.INVALID_REQUEST, 'files: at least one file is needed'],
      [
        'a bad name',
        async () => ({ model: 'a/b', files: [await model()] }),
        Reason.INVALID_REQUEST,
        'model: "a/b" is not allowed',
      ],
      [
        'a bad tenant',
        async () => ({ tenant: '..', files: [await model()] }),
        Reason.INVALID_REQUEST,
        'tenant: ".." is not allowed',
      ],
      [
        'a bad request id',
        async () => ({ requestId: 'a/b', files: [await model()] }),
        Reason.INVALID_REQUEST,
        'request_id: letters',
      ],
      [
        'endless notes',
        async () => ({ notes: 'x'.repeat(4001), files: [await model()] }),
        Reason.INVALID_REQUEST,
        'notes: has 4001 characters',
      ],
      [
        'a path that leaves',
        async () => ({ files: [{ ...(await model()), path: '../model.onnx' }] }),
        Reason.INVALID_REQUEST,
        'files[0].path: "../model.onnx" leaves the folder',
      ],
      [
        'a path twice',
        async () => ({ files: [await model(), await model()] }),
        Reason.INVALID_REQUEST,
        'files[1].path: "model.onnx" is there twice',
      ],
      [
        'a file that is a folder, too',
        async () => ({ files: [await model(), { ...(await model()), path: 'model.onnx/x' }] }),
        Reason.INVALID_REQUEST,
        'files[1].path: "model.onnx/x" lies in "model.onnx", which is a file',
      ],
      [
        'a bad digest',
        async () => ({ files: [{ ...(await model()), sha256: 'ABC' }] }),
        Reason.INVALID_REQUEST,
        'files[0].sha256',
      ],
      [
        'a wrong size',
        async () => ({ files: [{ ...(await model()), sizeBytes: 5n }] }),
        Reason.INVALID_REQUEST,
        'files: model.onnx has',
      ],
      [
        'bytes that are not there',
        async () => ({ files: [{ path: 'model.onnx', sizeBytes: 1n, sha256: 'a'.repeat(64) }] }),
        Reason.BLOB_NOT_FOUND,
        `model.onnx: the blob ${'a'.repeat(64)} is not here`,
      ],
      [
        'a wrong config',
        async () => ({ files: [await model()], config: models.VersionConfig.create({ replicas: 1001 }) }),
        Reason.INVALID_CONFIG,
        'config.replicas: 1001',
      ],
      [
        'an entry that is not there',
        async () => ({ files: [await model()], entry: 'x.onnx' }),
        Reason.INVALID_REQUEST,
        'entry: "x.onnx" is not one of the files',
      ],
      [
        'no model among the files',
        async () => ({ files: [await registry.upload('a.txt', new Uint8Array([1]))] }),
        Reason.INVALID_MODEL,
        'none of the files is an .onnx file',
      ],
      [
        'two models and no word which',
        async () => ({
          files: [
            { ...(await model()), path: 'a.onnx' },
            { ...(await model()), path: 'b.onnx' },
          ],
        }),
        Reason.INVALID_MODEL,
        'several .onnx files are in the top folder: name the one to load as the entry, out of a.onnx, b.onnx',
      ],
      [
        'a zip',
        async () => ({ files: [await registry.upload('model.onnx', ZIP)] }),
        Reason.INVALID_MODEL,
        'model.onnx: it is',
      ],
      [
        'nothing',
        async () => ({ files: [await registry.upload('model.onnx', new Uint8Array())] }),
        Reason.INVALID_MODEL,
        'model.onnx is empty',
      ],
      [
        'a model without its weights',
        async () => ({ files: [await registry.upload('model.onnx', externalDataModel('w.bin').model)] }),
        Reason.INVALID_MODEL,
        'model.onnx keeps weights in w.bin, which is not among the files',
      ],
      [
        'a model with half of its weights',
        async () => ({
          files: [
            await registry.upload('model.onnx', externalDataModel('w.bin').model),
            await registry.upload('w.bin', externalDataModel().data.subarray(1)),
          ],
        }),
        Reason.INVALID_MODEL,
        'the file is cut off or of another model',
      ],
    ])('%s refuses, and leaves no version behind', async (_, request, reason, sentence) => {
      const before = await registry.models.listModels({ tenant: '' });
      const refused = request().then((fields) => register({ ...fields }));
      await expect(refused).rejects.toMatchObject({ reason, message: expect.stringContaining(sentence) as string });
      expect(await registry.models.listModels({ tenant: '' })).toEqual(before);
    });
  });

  describe('asked for something that is not there', () => {
    it.each([
      ['a model', () => registry.models.getModel({ tenant: '', model: 'nobody' }), Reason.MODEL_NOT_FOUND],
      ['a tenant', () => registry.models.getModel({ tenant: 'other', model: MODEL }), Reason.MODEL_NOT_FOUND],
      [
        'a version to wait for',
        () => registry.models.waitForVersion({ ref: ref(99n), timeoutMs: 0n }),
        Reason.VERSION_NOT_FOUND,
      ],
      [
        'a version without number',
        () => registry.models.setVersionState({ ref: ref(0n), state: PUBLISHED, force: false }, registry.trusted),
        Reason.INVALID_REQUEST,
      ],
      [
        'no reference at all',
        () => registry.models.activateVersion({ ref: undefined, timeoutMs: 0n }, registry.trusted),
        Reason.INVALID_REQUEST,
      ],
      [
        'no state',
        () => registry.models.setVersionState({ ref: ref(1n), state: UNSPECIFIED, force: false }, registry.trusted),
        Reason.INVALID_REQUEST,
      ],
      [
        'an absurd time',
        () => registry.models.waitForVersion({ ref: ref(1n), timeoutMs: -1n }),
        Reason.INVALID_REQUEST,
      ],
      [
        'a label of digits',
        () => registry.models.setLabel({ ref: ref(1n), label: '3', timeoutMs: 0n }, registry.trusted),
        Reason.INVALID_REQUEST,
      ],
    ])('says so: %s', async (_, call, reason) => {
      await expect(call()).rejects.toMatchObject({ reason });
    });
  });

  describe('and its token', () => {
    const forged = { metadata: Metadata.from({ [CallMetadata.authorization]: bearer('forged') }) };

    it.each([
      ['SetVersionState', () => registry.models.setVersionState({ ref: ref(1n), state: PUBLISHED, force: false })],
      [
        'RegisterVersion',
        () => registry.models.registerVersion(modelService.RegisterVersionRequest.create({ model: 'm' }), forged),
      ],
      ['SetLabel', () => registry.models.setLabel({ ref: ref(0n), label: 'a', timeoutMs: 0n }, forged)],
      [
        'DownloadBlob',
        () =>
          registry.blobs
            .downloadBlob({ sha256: 'a'.repeat(64), offsetBytes: 0n, ticket: '' })
            [Symbol.asyncIterator]()
            .next(),
      ],
    ])('%s needs it', async (_, call) => {
      await expect(call()).rejects.toMatchObject({ reason: Reason.UNAUTHENTICATED });
    });

    it('reading, health and reflection need none', async () => {
      await registry.models.listModels({ tenant: '' });
      const channel = registry.dial();
      const { status } = await createClient(health.HealthDefinition, channel).check({
        service: 'bms.models.v1.ModelService',
      });
      expect(status).toBe(health.HealthCheckResponse_ServingStatus.SERVING);
      async function* question(): AsyncIterable<reflectionV1.ServerReflectionRequest> {
        yield { host: '', messageRequest: { $case: 'listServices', value: '' } };
      }
      const answers = createClient(reflectionV1.ServerReflectionDefinition, channel).serverReflectionInfo(question());
      for await (const { messageResponse } of answers) {
        expect(JSON.stringify(messageResponse)).toContain('bms.routes.v1.RouteService');
      }
    });
  });

  describe('and blobs', () => {
    const bytes = randomBytes(300_000);
    const sha256 = sha256Of(bytes);
    const header = { sha256, sizeBytes: 300_000n, offsetBytes: 0n };

    it('are continued where an upload broke off, and come back as they were', async () => {
      const ticket = await registry.ticket({ [sha256]: bytes.byteLength });
      await registry.blobs.uploadBlob(messages({ ...header, ticket }, bytes.subarray(0, 100_000)));
      const stat = { ticket, sha256, sizeBytes: 300_000n };
      expect(await registry.blobs.statBlob(stat)).toEqual({ complete: false, receivedBytes: 100_000n });
      await expect(registry.blobs.uploadBlob(messages({ ...header, ticket }, bytes))).rejects.toMatchObject({
        reason: Reason.UPLOAD_INTERRUPTED,
      });
      const rest = messages({ ...header, ticket, offsetBytes: 100_000n }, bytes.subarray(100_000));
      expect(await registry.blobs.uploadBlob(rest)).toEqual({ receivedBytes: 300_000n });
      expect(await registry.blobs.statBlob(stat)).toEqual({ complete: true, receivedBytes: 300_000n });

      const chunks: Uint8Array[] = [];
      for await (const { chunk } of registry.blobs.downloadBlob(
        { sha256, offsetBytes: 1_000n, ticket: '' },
        registry.trusted,
      ))
        chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(bytes.subarray(1_000))).toBe(true);
    });

    it('are given to who has a ticket for them, and to nobody with a ticket for others', async () => {
      const file = await registry.upload('a.bin', bytes);
      const download = async (blobs: readonly string[], token = registry.token): Promise<number> => {
        const content = { tenant: 'default', model: 'digits', version: 1, principal: 'ann', blobs };
        const ticket = await signDownloadTicket(token, content, Date.now() + 60_000);
        let receivedBytes = 0;
        for await (const { chunk } of registry.blobs.downloadBlob({ sha256: file.sha256, offsetBytes: 0n, ticket })) {
          receivedBytes += chunk.byteLength;
        }
        return receivedBytes;
      };
      await expect(download([file.sha256])).resolves.toBe(bytes.byteLength);
      await expect(download(['a'.repeat(64)])).rejects.toMatchObject({ reason: Reason.PERMISSION_DENIED });
      await expect(download([file.sha256], 'forged')).rejects.toMatchObject({ reason: Reason.UNAUTHENTICATED });
    });

    it('with other bytes than promised are thrown away', async () => {
      const other = sha256Of(new Uint8Array([9]));
      const ticket = await registry.ticket({ [other]: 1 });
      const wrong = messages({ ticket, sha256: other, sizeBytes: 1n, offsetBytes: 0n }, new Uint8Array([2]));
      await expect(registry.blobs.uploadBlob(wrong)).rejects.toMatchObject({ reason: Reason.DIGEST_MISMATCH });
      expect(await registry.blobs.statBlob({ ticket, sha256: other, sizeBytes: 1n })).toEqual({
        complete: false,
        receivedBytes: 0n,
      });
    });

    it.each<[string, (ticket: string) => Promise<unknown>, Reason]>([
      [
        'without a ticket',
        () => registry.blobs.statBlob({ ticket: '', sha256, sizeBytes: 1n }),
        Reason.UNAUTHENTICATED,
      ],
      [
        'with a forged one',
        () => registry.blobs.uploadBlob(messages({ ...header, ticket: 'a.b.c' }, bytes)),
        Reason.UNAUTHENTICATED,
      ],
      [
        'for other bytes',
        (ticket) => registry.blobs.statBlob({ ticket, sha256: 'b'.repeat(64), sizeBytes: 1n }),
        Reason.PERMISSION_DENIED,
      ],
      [
        'for another size',
        (ticket) => registry.blobs.statBlob({ ticket, sha256, sizeBytes: 1n }),
        Reason.INVALID_REQUEST,
      ],
      [
        'named like a property of all objects',
        (ticket) => registry.blobs.statBlob({ ticket, sha256: 'constructor', sizeBytes: 1n }),
        Reason.PERMISSION_DENIED,
      ],
    ])('are refused %s', async (_, call, reason) => {
      await expect(call(await registry.ticket({ [sha256]: bytes.byteLength }))).rejects.toMatchObject({ reason });
    });

    it('in chunks that are too large are refused', async () => {
      const large = randomBytes(1024 * 1024 + 1);
      const digest = sha256Of(large);
      const ticket = await registry.ticket({ [digest]: large.byteLength });
      const upload = messages(
        { ticket, sha256: digest, sizeBytes: BigInt(large.byteLength), offsetBytes: 0n },
        large,
        large.byteLength,
      );
      await expect(registry.blobs.uploadBlob(upload)).rejects.toMatchObject({
        reason: Reason.INVALID_REQUEST,
        message: 'chunk: has 1048577 bytes: at most 1048576 are allowed',
      });
    });
  });

  it('shows operators what there is', async () => {
    await registry.push({ model: 'shown' });
    const metrics = await (await fetch(`${registry.operations}/metrics`)).text();
    expect(metrics).toMatch(/bms_models\{tenant="default",service="registry"\} [1-9]/);
    expect(metrics).toMatch(/bms_versions\{tenant="default",state="registered",service="registry"\} [1-9]/);
    expect(metrics).toMatch(/bms_store_commit_seconds_count\{service="registry"\} [1-9]/);
    expect((await fetch(`${registry.operations}/readyz`)).status).toBe(200);
  });
});

describe('the status of the mesh', () => {
  it('tells workers, routers and versions, and sums what routers count over their restarts', async () => {
    const registry = await RunningRegistry.start();
    const router = new FakeRouter(registry, 'r1');
    const worker = new FakeWorker(registry, 'w1');
    await registry.publish(await registry.push());
    await router.routes(1n, 'w1');
    router.count(1n, 'w1', 10n, 1n);
    router.count(1n, 'w1', 12n, 1n); // replaces what it said before
    router.stream.finish();
    await router.stream.ended();
    const again = new FakeRouter(registry, 'r1', { incarnation: 'second' });
    await again.routes(1n, 'w1');
    again.count(1n, '', 0n, 3n);
    again.count(1n, 'w1', 5n);
    again.stream.finish();
    await again.stream.ended();

    const status = await registry.status();
    expect(status).toMatchObject({
      store: 'embedded',
      workers: [
        { workerId: 'w1', attached: true, draining: false, pid: 7n, replicas: [{ state: models.ReplicaState.READY }] },
      ],
      routers: [],
      versions: [
        {
          ref: { model: MODEL, version: 1n },
          state: PUBLISHED,
          wantedReplicas: 2,
          readyReplicas: 1,
          placementNote: '1 of 2 wanted: there is 1 worker',
          calls: { answered: 17n, failed: 1n },
        },
      ],
    });
    expect(status.workers[0]?.desiredGeneration).toBe(worker.desiredSets.at(-1)?.generation);
    expect((await registry.model()).versions[0]?.replicas[0]).toMatchObject({
      workerId: 'w1',
      calls: { answered: 17n, failed: 1n },
    });
    const other = await registry.mesh.getMeshStatus({ tenant: 'other' });
    expect(other).toMatchObject({ versions: [], workers: [{ workerId: 'w1', replicas: [] }] });
    await registry.close();
  });
});

describe('a router', () => {
  it('that holds the present routes of this mesh gets no snapshot, any other does', async () => {
    const registry = await RunningRegistry.start();
    await registry.push();
    const first = new FakeRouter(registry, 'r1');
    await first.stream.until(() => first.route());
    const { meshId } = await registry.status();
    const kinds = [
      new FakeRouter(registry, 'r2', { meshId, revision: first.revision }),
      new FakeRouter(registry, 'r3', { meshId, revision: first.revision - 1n }),
      new FakeRouter(registry, 'r4', { meshId: 'another', revision: first.revision }),
    ].map(({ stream }) => stream.until(() => stream.received[0]?.kind?.$case));
    expect(await Promise.all(kinds)).toEqual(['delta', 'snapshot', 'snapshot']);
    await registry.close();
  });
});

describe('the start of a registry', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-registry-start-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const config = (...argv: readonly string[]) =>
    loadConfig({ argv: [`--data=${folder}`, '--grpc-port=0', '--operations-port=0', ...argv], env: {} });
  const start = (...argv: readonly string[]) =>
    startRegistry(config(...argv), () => undefined, createLogger('registry', 'error'));

  it('names the process that owns the folder', async () => {
    const running = await start();
    const second = start();
    await expect(second).rejects.toBeInstanceOf(FolderTakenError);
    await expect(second).rejects.toThrow(`is in use by registry (pid ${process.pid})`);
    await running.stop(AbortSignal.timeout(1_000));
    await (await start()).stop(AbortSignal.timeout(1_000)); // the folder is free again
  });

  it.each(['grpc-port', 'operations-port'])(
    'names the setting of a port that is taken, and lets go of the store: %s',
    async (setting) => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      const taken = start(`--${setting}=${port}`);
      await expect(taken).rejects.toBeInstanceOf(StartError);
      await expect(taken).rejects.toThrow(new RegExp(`port ${port} on 127.0.0.1 is taken.*--${setting} \\(BMS_`));
      server.close();
      await (await start()).stop(AbortSignal.timeout(1_000));
    },
  );

  it.each([
    [
      '--store=consul://127.0.0.1:8500',
      'setting store (--store, BMS_STORE) is "consul://127.0.0.1:8500": allowed is embedded, etcd://',
    ],
    ['--store=etcd://127.0.0.1', 'allowed is HOST:PORT for each endpoint, with commas between; "127.0.0.1" is not'],
    ['--store=etcd://', 'allowed is HOST:PORT for each endpoint'],
    ['--store=etcd://a:1,a:1', 'allowed is each endpoint once'],
    ['--store-prefix=bms', 'setting storePrefix (--store-prefix, BMS_STORE_PREFIX) is "bms": allowed is /, then words'],
    [
      '--store-ca=x.pem',
      'setting storeCa (--store-ca, BMS_STORE_CA) is "x.pem": allowed is only with --store etcds://',
    ],
    [
      '--store-user=ann',
      'setting storeUser (--store-user, BMS_STORE_USER) is "ann": allowed is only with --store etcd://',
    ],
    ['--replicas=0', 'replicas'],
    ['--host=0.0.0.0', 'only loopback is allowed'],
  ])('refuses %s', async (flag, sentence) => {
    await expect((async () => start(flag))()).rejects.toThrow(sentence);
  });

  it('refuses the store of a newer release and leaves it as it is', async () => {
    const store = await openEmbeddedStore({ folder: storeFolder(config()) });
    const key = new KeyLayout().worker('w1');
    const value = new TextEncoder().encode(JSON.stringify({ v: 99, future: true }));
    await store.commit({ compares: [], writes: [{ put: key, value }] });
    const { revision } = await store.range({ key });
    await store.close();
    const refused = start();
    await expect(refused).rejects.toBeInstanceOf(StartError);
    await expect(refused).rejects.toThrow('the store was written by a newer release (a worker record has format 99');
    const again = await openEmbeddedStore({ folder: storeFolder(config()) });
    expect((await again.range({ key })).revision).toBe(revision);
    await again.close();
  });

  describe('with a store that is not as it was left', () => {
    const keys = new KeyLayout();
    let data: string;
    const settings = () => loadConfig({ argv: [`--data=${data}`, '--grpc-port=0', '--operations-port=0'], env: {} });
    const begin = () => startRegistry(settings(), () => undefined, createLogger('registry', 'error'));
    beforeEach(async () => {
      data = mkdtempSync(join(tmpdir(), 'bms-registry-left-'));
      await (await begin()).stop(AbortSignal.timeout(1_000));
    });
    afterEach(() => rmSync(data, { recursive: true }));

    it.each<[string, Write[], string]>([
      [
        'of another mesh',
        [{ put: keys.mesh(), value: meshFormat.encode({ id: 'another', createdAtMs: 1 }) }],
        'the store holds the mesh another under /bms/main/, and this registry belongs to',
      ],
      [
        'that has versions without their model',
        [{ put: keys.version('default', 'm', 1), value: versionFormat.encode(versionRecord('m@1')) }],
        'the store has versions of default/m, but not the model itself',
      ],
    ])('refuses one %s, and writes nothing', async (_, writes, sentence) => {
      const store = await openEmbeddedStore({ folder: storeFolder(settings()) });
      const { revision } = await store.commit({ compares: [], writes });
      await store.close();
      const refused = begin();
      await expect(refused).rejects.toBeInstanceOf(StartError);
      await expect(refused).rejects.toThrow(sentence);
      const again = await openEmbeddedStore({ folder: storeFolder(settings()) });
      expect((await again.range({ key: keys.mesh() })).revision).toBe(revision);
      await again.close();
    });

    it('doubts one that was deleted', async () => {
      rmSync(storeFolder(settings()), { recursive: true });
      const running = await begin();
      const ready = await fetch(`http://${String(running.facts['operations'])}/readyz`);
      expect(ready.status).toBe(503);
      expect(await ready.text()).toContain('it was wiped');
      await running.stop(AbortSignal.timeout(1_000));
    });
  });
});
