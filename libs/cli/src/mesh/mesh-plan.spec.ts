import { loadMeshSettings } from './mesh-settings';
import { planMesh, stopOrder } from './mesh-plan';

const settings = (...argv: string[]) => loadMeshSettings({ argv, env: {} });

describe('planMesh', () => {
  it('gives every service the documented ports', () => {
    const plan = planMesh(settings(), undefined);
    const ports = Object.fromEntries(
      stopOrder(plan)
        .flat()
        .map(({ name, ports }) => [name, ports.map(({ port }) => port)]),
    );
    expect(ports).toEqual({
      registry: [8700, 8702],
      'worker-0': [8800, 8900],
      'worker-1': [8801, 8901],
      router: [8500, 8501, 8502],
      admin: [8600, 8601, 8602],
    });
  });

  it('moves all ports with --port-base, and never gives one to two services', () => {
    const plan = planMesh(settings('--port-base', '18500', '--workers', '64'), undefined);
    const ports = stopOrder(plan).flatMap((group) => group.flatMap((service) => service.ports.map(({ port }) => port)));
    expect(new Set(ports).size).toBe(ports.length);
    expect(plan.routers[0]?.flags).toContain('18500');
    expect(plan.routers[0]?.flags.join(' ')).toContain('--registry 127.0.0.1:18700');
  });

  it('stops callers first, what all others need last', () => {
    const names = stopOrder(planMesh(settings(), undefined)).map((group) => group.map(({ name }) => name));
    expect(names).toEqual([['router'], ['worker-0', 'worker-1'], ['admin'], ['registry']]);
  });

  it('hands the settings file, the folder and the address on to every service', () => {
    const plan = planMesh(settings('--data', 'D', '--host', '0.0.0.0', '--insecure', '--advertise', 'h'), 'mesh.json');
    for (const service of stopOrder(plan).flat()) {
      const flags = service.flags.join(' ');
      expect(flags).toContain('--data D --host 0.0.0.0');
      expect(flags).toContain('--insecure --advertise h --config mesh.json');
    }
    expect(plan.workers[1]?.flags.join(' ')).toContain('--registry h:8700');
  });

  it('gives further registries and routers ports 10 higher and folders of their own, and everybody all registries', () => {
    const plan = planMesh(
      settings('--data', 'D', '--store', 'etcd://h:2379', '--registries', '3', '--routers', '2'),
      undefined,
    );
    const shown = [...plan.registries, ...plan.routers].map(({ name, ports, flags }) => [
      name,
      ports.map(({ port }) => port),
      flags.includes('--state') ? flags[flags.indexOf('--state') + 1] : undefined,
    ]);
    expect(shown).toEqual([
      ['registry', [8700, 8702], undefined],
      ['registry-1', [8710, 8712], 'D/registries/1'],
      ['registry-2', [8720, 8722], 'D/registries/2'],
      ['router', [8500, 8501, 8502], undefined],
      ['router-1', [8510, 8511, 8512], 'D/routers/1'],
    ]);
    for (const { flags } of [...plan.routers, ...plan.workers, plan.admin]) {
      expect(flags.join(' ')).toContain('--registry 127.0.0.1:8700,127.0.0.1:8710,127.0.0.1:8720');
    }
    expect(stopOrder(plan).map((group) => group.length)).toEqual([2, 2, 1, 3]);
  });

  it('gives no port to two services, however many there are', () => {
    const plan = planMesh(
      settings('--store', 'etcd://h:2379', '--registries', '10', '--routers', '10', '--workers', '64'),
      undefined,
    );
    const ports = stopOrder(plan).flatMap((group) => group.flatMap((service) => service.ports.map(({ port }) => port)));
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('hands the settings of the store on to the registries alone, and the password as a file', () => {
    const flags = ['--store', 'etcds://h:2379', '--store-prefix', '/x/', '--store-ca', 'CA', '--store-cert', 'C'];
    const user = ['--store-key', 'K', '--store-user', 'bms', '--store-password-file', 'P'];
    const plan = planMesh(settings(...flags, ...user), undefined);
    expect(plan.registries[0]?.flags.join(' ')).toContain([...flags, ...user].join(' '));
    for (const { flags: others } of [...plan.routers, ...plan.workers, plan.admin]) {
      expect(others.join(' ')).not.toContain('--store');
    }
    expect(planMesh(settings(), undefined).registries[0]?.flags.join(' ')).not.toContain('--store');
  });

  it('gives each worker its device, or all the same one', () => {
    const devices = (...argv: string[]): unknown[] =>
      planMesh(settings(...argv), undefined).workers.map(({ flags }) => flags[flags.indexOf('--device') + 1]);
    expect(devices('--device', 'cuda:0,cpu')).toEqual(['cuda:0', 'cpu']);
    expect(devices('--device', 'webgpu')).toEqual(['webgpu', 'webgpu']);
  });

  it.each([
    [['--registries', '2'], 'the embedded store belongs to one registry; several need --store etcd://HOST:PORT'],
    [['--registries', '11'], 'setting registries'],
    [['--device', 'cpu,cpu,cpu'], 'names 3 devices for 2 workers: allowed is one for all, or one for each'],
  ])('refuses %j', (argv, sentence) => {
    expect(() => settings(...argv)).toThrow(sentence);
  });
});
