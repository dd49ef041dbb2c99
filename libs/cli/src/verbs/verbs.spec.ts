import { BmsError, meshService, models, modelService, Reason, workerService } from '@bms/contracts';
import { CommandLineUnderTest } from '../command-line.testkit';

const { NOW_MS } = CommandLineUnderTest;
const ref = (version: bigint): models.VersionRef => ({ tenant: 'default', model: 'digits', version });
const calls = { answered: 1_204n, failed: 2n, rejected: 3n };
const ready = {
  ref: ref(2n),
  state: models.ReplicaState.READY,
  sinceMs: BigInt(NOW_MS - 90_000),
  memoryBytes: 3_145_728n,
};
const failed = {
  ref: ref(1n),
  state: models.ReplicaState.FAILED,
  sinceMs: BigInt(NOW_MS),
  reason: 'no kernel for Foo',
};

const DETAIL = modelService.ModelDetail.create({
  model: {
    tenant: 'default',
    name: 'digits',
    activeVersion: 2n,
    labels: { stable: 1n, canary: 2n },
    activations: [
      { version: 1n, atMs: BigInt(NOW_MS - 3_600_000), by: 'ann@desk' },
      { version: 2n, atMs: BigInt(NOW_MS - 60_000), by: 'bob@desk' },
    ],
  },
  versions: [1n, 2n].map((version) => ({
    version: {
      ref: ref(version),
      state: models.VersionState.PUBLISHED,
      artifact: { digest: '0123456789abcdef', sizeBytes: 79_770n },
      signature: {
        inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1n, 64n], symbols: ['batch', ''] }],
        outputs: [{ name: 'label', datatype: 'INT64', shape: [-1n] }],
      },
      notes: version === 1n ? 'softmax regression' : '',
      createdBy: 'ann@desk',
      createdAtMs: BigInt(NOW_MS),
    },
    replicas: [{ workerId: 'w-a', status: version === 2n ? ready : failed, calls }],
    calls,
    placementNote: version === 1n ? 'held by 0 of 2 workers: it cannot be loaded' : '',
  })),
});

describe('the verbs', () => {
  let bms: CommandLineUnderTest;
  beforeEach(async () => {
    bms = await CommandLineUnderTest.start();
  });
  afterEach(() => bms.stop());

  /** stdout with its runs of spaces made one, so that widths do not matter. */
  const plain = async (...argv: string[]): Promise<string> => {
    const { stdout, stderr, exitCode } = await bms.run(...argv);
    expect([exitCode, stderr]).toEqual([0, '']);
    return stdout.replace(/ +/g, ' ');
  };

  it.each([
    ['publish digits@2', 'digits@2 is published; the workers load it\nNext: npx bms activate digits@2\n'],
    [
      'publish digits@2 --wait',
      'digits@2 is published and ready on worker-a, worker-b\nNext: npx bms activate digits@2\n',
    ],
    ['activate digits@2', 'digits@2 is active (before: digits@1)\nNext: npx bms rollback digits goes back\n'],
    ['rollback digits --to 1', 'digits@1 is active again (before: digits@2)\nNext: npx bms versions digits\n'],
    ['offline digits@2', 'digits@2 is offline\nNext: npx bms publish digits@2 brings it back\n'],
    ['delete digits@2', 'digits@2 is deleted\nNext: npx bms versions digits\n'],
    ['label digits stable=2', 'digits@stable means digits@2\nNext: npx bms versions digits\n'],
    ['label digits stable=', 'digits has no label stable any more\nNext: npx bms models\n'],
  ])('%s says what it did and what to type next', async (line, text) => {
    await expect(plain(...line.split(' '))).resolves.toBe(text);
  });

  it.each([
    ['offline digits@2', { state: models.VersionState.OFFLINE, force: false }],
    ['offline digits@2 --force', { state: models.VersionState.OFFLINE, force: true }],
    ['delete digits@2 --force', { state: models.VersionState.DELETED, force: true }],
    ['publish digits@2', { state: models.VersionState.PUBLISHED, force: false }],
  ])('%s asks for exactly that', async (line, request) => {
    await bms.run(...line.split(' '));
    expect(bms.mesh.requestsOf('SetVersionState')).toEqual([{ ref: ref(2n), ...request }]);
  });

  it('passes --timeout on to what waits', async () => {
    await bms.run('activate', 'digits@2', '--timeout', '2m');
    await bms.run('label', 'digits', 'stable=2');
    await bms.run('publish', 'digits@2', '--wait', '--timeout', '7');
    expect(bms.mesh.requestsOf('ActivateVersion')).toEqual([{ ref: ref(2n), timeoutMs: 120_000n }]);
    expect(bms.mesh.requestsOf('SetLabel')).toEqual([{ ref: ref(2n), label: 'stable', timeoutMs: 30_000n }]);
    expect(bms.mesh.requestsOf('WaitForVersion')).toEqual([{ ref: ref(2n), timeoutMs: 7_000n }]);
  });

  it('says why an active version is not taken offline, and what to do', async () => {
    bms.mesh.models.setVersionState = async () => {
      throw new BmsError(Reason.IN_USE, 'digits@2 is active: activate another version first');
    };
    const { exitCode, stderr } = await bms.run('offline', 'digits@2');
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      'bms: digits@2 is active: activate another version first\n     "--force" takes it from its callers.\n',
    );
  });

  it('models: a line each', async () => {
    bms.mesh.models.listModels = async () => ({ models: [DETAIL] });
    await expect(plain('models')).resolves.toBe(
      'MODEL ACTIVE LABELS VERSIONS ANSWERED FAILED\ndigits @2 stable=1, canary=2 2 published 2,408 4\n',
    );
  });

  it('models: says how to begin where there are none', async () => {
    await expect(plain('models')).resolves.toBe(
      'no models yet (tenant default)\nNext: npx bms push NAME model.onnx --activate\n',
    );
  });

  it('models --json: the same JSON as the API', async () => {
    bms.mesh.models.listModels = async () => ({ models: [DETAIL] });
    const { stdout } = await bms.run('models', '--json');
    expect(JSON.parse(stdout)).toEqual(
      JSON.parse(JSON.stringify(modelService.ListModelsResponse.toJSON({ models: [DETAIL] }))),
    );
  });

  it('versions: who, when, notes, size, digest, signature, workers, calls and history', async () => {
    bms.mesh.models.getModel = async () => ({ model: DETAIL });
    const text = await plain('versions', 'digits');
    const lines = text.split('\n');
    expect(lines[0]).toBe('digits (tenant default): @2 is active');
    expect(text).toMatch(/@1 published stable \S+ \S+ ann@desk 77\.9 KiB 0123456789ab 1,204 2 3 softmax regression/);
    expect(text).toMatch(/@2 published active canary /);
    expect(text).toContain('Signature of @1, @2');
    expect(text).toContain('in pixels FP32 [batch, 64]');
    expect(text).toContain('out label INT64 [-1]');
    expect(text).toMatch(/@2 w-a ready \S+ \S+ 90 s 3\.0 MiB 1,204 2/);
    expect(text).toMatch(/@1 w-a failed .* no kernel for Foo/);
    expect(text).toContain('@1: held by 0 of 2 workers: it cannot be loaded');
    const history = lines.slice(lines.indexOf('Activations') + 2);
    expect(history.map((line) => line.trim().split(' ').slice(2).join(' ')).filter(Boolean)).toEqual([
      '@2 bob@desk',
      '@1 ann@desk',
    ]);
  });

  it('status: the mesh, and what needs attention', async () => {
    bms.mesh.status = meshService.GetMeshStatusResponse.create({
      meshId: 'mesh-7',
      revision: 12n,
      store: 'embedded',
      versions: [
        {
          ref: ref(2n),
          state: models.VersionState.PUBLISHED,
          active: true,
          labels: ['stable'],
          wantedReplicas: 2,
          readyReplicas: 1,
          placementNote: 'only 1 worker has room',
          calls,
        },
      ],
      workers: [
        {
          workerId: 'w-a',
          address: '127.0.0.1:8800',
          pid: 42n,
          device: { provider: 'cpu', name: 'Xeon' },
          memory: { totalBytes: 2n ** 34n, freeBytes: 2n ** 33n, residentBytes: 2n ** 28n },
          attached: true,
          startedAtMs: BigInt(NOW_MS - 600_000),
          replicas: [ready, failed],
        },
        { workerId: 'w-b', attached: true, draining: true },
        { workerId: 'w-c', attached: false },
      ],
      routers: [{ routerId: 'r-a', address: '127.0.0.1:8500', pid: 43n, acknowledgedRevision: 12n }],
    });
    const text = await plain('status');
    expect(text).toContain('mesh mesh-7, embedded store, revision 12');
    expect(text).toContain('digits@2 published active stable 1 of 2 1,204 2 3');
    expect(text).toContain('w-a attached 127.0.0.1:8800 42 cpu (Xeon) 8.0 GiB 16.0 GiB 256 MiB 10 min');
    expect(text).toMatch(/w-b draining /);
    expect(text).toMatch(/w-c lost /);
    expect(text).toContain('digits@2 w-a ready 90 s 3.0 MiB');
    expect(text).toContain('r-a 127.0.0.1:8500 43 12');
    expect(text).toContain('digits@2: only 1 worker has room\n digits@1 cannot be loaded on w-a: no kernel for Foo');
  });

  it('status: registries with leader and lag, what follows which, devices, and where a replica fell back', async () => {
    bms.mesh.status = meshService.GetMeshStatusResponse.create({
      meshId: 'mesh-7',
      revision: 1_500n,
      store: 'etcd',
      storeStatus: { kind: 'etcd', endpoints: ['a:2379', 'b:2379'] },
      registries: [
        { registryId: 'r-a', address: 'a:8700', pid: 7n, leader: true, reachable: true, revision: 1_500n },
        { registryId: 'r-b', address: 'b:8700', reachable: true, revision: 300n },
        { registryId: 'r-c', address: 'c:8700' },
      ],
      routers: [{ routerId: 'x', address: 'x:8500', acknowledgedRevision: 12n, registryId: 'r-b' }],
      workers: [
        {
          workerId: 'w-a',
          attached: true,
          registryId: 'r-a',
          device: { provider: 'cuda:0', name: 'H100', kind: workerService.DeviceKind.GPU, memoryBytes: 2n ** 36n },
          deviceUse: { memoryTotalBytes: 2n ** 36n, memoryFreeBytes: 2n ** 35n, busyPercent: 40 },
          replicas: [{ ...ready, provider: 'cpu', fellBack: true }],
        },
        { workerId: 'w-b', attached: true, deviceFailure: 'an illegal address', device: { provider: 'cuda:1' } },
      ],
    });
    const text = await plain('status');
    expect(text).toContain('mesh mesh-7, etcd store at a:2379, b:2379, revision 1500');
    expect(text).toMatch(/r-a reachable leader a:8700 7 1500 /);
    expect(text).toMatch(/r-b reachable b:8700 0 300 1,200/);
    expect(text).toMatch(/r-c not reachable c:8700 0 0 \?/);
    expect(text).toContain('x x:8500 0 12 r-b');
    expect(text).toMatch(
      /w-a attached .*cuda:0 \(H100, GPU, 64\.0 GiB\) .*32\.0 GiB of 64\.0 GiB free, 40% busy .* r-a/,
    );
    expect(text).toContain('w-b device failed');
    expect(text).toContain('cpu (fell back from cuda:0)');
    expect(text).toContain('registry r-c at c:8700 cannot be reached');
    expect(text).toContain('cuda:1 of w-b failed: an illegal address');
    expect(text).toContain('digits@2 runs on cpu at w-a: cuda:0 cannot run it, and the version allows that');
  });

  describe('with a store in doubt', () => {
    beforeEach(() => {
      bms.mesh.status = meshService.GetMeshStatusResponse.create({
        meshId: 'mesh-7',
        store: 'etcd',
        storeStatus: {
          doubt: {
            reason: 'the store was wiped',
            knownClusterId: 'c1',
            knownRevision: 90n,
            foundClusterId: 'c2',
            foundRevision: 4n,
            missingVersions: [ref(2n)],
          },
        },
      });
    });

    it('status: says so first, and ends with 1', async () => {
      const { exitCode, stdout, stderr } = await bms.run('status');
      expect(exitCode).toBe(1);
      expect(stdout).toMatch(
        /^The store is in doubt since .*: the store was wiped\.\n {2}known {2}revision 90 of cluster c1\n/,
      );
      expect(stdout).toContain('would let go of them: default/digits@2');
      expect(stderr).toContain('"npx bms store accept" shows what is known');
    });

    it('store accept: shows what would be lost and changes nothing without --yes', async () => {
      const { exitCode, stdout, stderr } = await bms.run('store', 'accept');
      expect(stderr).toBe('');
      expect(exitCode).toBe(1);
      expect(stdout).toContain('found  revision 4 of cluster c2');
      expect(stdout).toContain('Nothing was changed: add --yes --found 4@c2 to take this store as it is');
      expect(bms.mesh.requestsOf('AcceptStore')).toEqual([]);
    });

    it('store accept --json without --yes: is one object with the doubt, and ends with 1', async () => {
      const { exitCode, stdout, stderr } = await bms.run('store', 'accept', '--json');
      expect([exitCode, stderr]).toEqual([1, '']);
      expect(JSON.parse(stdout)).toMatchObject({ accepted: false, doubt: { reason: 'the store was wiped' } });
    });

    it('store accept --yes --found: names what was shown, and not what is found by now', async () => {
      await bms.run('store', 'accept', '--yes', '--found', '3@c1');
      expect(bms.mesh.requestsOf('AcceptStore')).toEqual([{ foundClusterId: 'c1', foundRevision: 3n }]);
      const { exitCode, stderr } = await bms.run('store', 'accept', '--yes', '--found', 'c1');
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--found c1: allowed is what')]);
    });

    it('store accept --yes: takes what is found', async () => {
      const { exitCode, stdout } = await bms.run('store', 'accept', '--yes');
      expect(exitCode).toBe(0);
      expect(stdout).toContain('The store is taken as it is, at revision 4 of cluster c2.');
      expect(bms.mesh.requestsOf('AcceptStore')).toEqual([{ foundClusterId: 'c2', foundRevision: 4n }]);
    });
  });

  it('store accept: says that there is nothing to accept', async () => {
    expect(await plain('store', 'accept')).toBe('The store is not in doubt: there is nothing to accept.\n');
    expect(bms.mesh.requestsOf('AcceptStore')).toEqual([]);
  });

  it('status: ends with 3 where the store cannot be used', async () => {
    bms.mesh.status = meshService.GetMeshStatusResponse.create({
      store: 'etcd',
      storeStatus: { trouble: 'no leader' },
    });
    const { exitCode, stdout, stderr } = await bms.run('status');
    expect(exitCode).toBe(3);
    expect(stdout).toContain('TROUBLE: no leader');
    expect(stderr).toContain('the store cannot be used: no leader');
  });
});
