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
    expect(plan.router.flags).toContain('18500');
    expect(plan.router.flags.join(' ')).toContain('--registry 127.0.0.1:18700');
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
});
