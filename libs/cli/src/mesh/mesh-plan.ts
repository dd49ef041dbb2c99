import { join } from 'node:path';
import type { MeshSettings } from './mesh-settings';

/** The packages under services/. */
export type ServiceKind = 'registry' | 'router' | 'inference-worker' | 'admin';

/** One process of a mesh on this machine. */
export interface PlannedService {
  /** Unique in the mesh: registry, worker-0, … */
  readonly name: string;
  readonly kind: ServiceKind;
  readonly flags: readonly string[];
  /** The ports that it will bind, each with what it is for. */
  readonly ports: readonly { readonly port: number; readonly purpose: string }[];
}

/** The processes of a mesh, by the order in which they stop: callers' address first, what all others need last. */
export interface MeshPlan {
  readonly router: PlannedService;
  readonly workers: readonly PlannedService[];
  readonly admin: PlannedService;
  readonly registry: PlannedService;
}

/** Where ports stand from `--port-base`; with 8500 they are the documented ones. */
export const PORT_OFFSETS = {
  routerGrpc: 0,
  routerRest: 1,
  routerOperations: 2,
  adminGrpc: 100,
  adminHttp: 101,
  adminOperations: 102,
  registryGrpc: 200,
  registryOperations: 202,
  workerGrpc: 300,
  workerOperations: 400,
} as const;

/** What to start for these settings. Pure. */
export function planMesh(settings: MeshSettings, configFile: string | undefined): MeshPlan {
  const at = (offset: keyof typeof PORT_OFFSETS, index = 0): number => settings.portBase + PORT_OFFSETS[offset] + index;
  const common = [
    ...['--data', settings.data, '--host', settings.host, '--log-level', settings.logLevel],
    ...(settings.insecure ? ['--insecure'] : []),
    ...(settings.advertise === undefined ? [] : ['--advertise', settings.advertise]),
    ...(configFile === undefined ? [] : ['--config', configFile]),
  ];
  const service = (
    name: string,
    kind: ServiceKind,
    ports: Readonly<Record<string, number>>,
    flags: readonly string[] = [],
  ): PlannedService => ({
    name,
    kind,
    flags: [...common, ...Object.entries(ports).flatMap(([key, port]) => [`--${key}-port`, String(port)]), ...flags],
    ports: Object.entries(ports).map(([key, port]) => ({ port, purpose: `${name} ${key}` })),
  });
  const registryAddress = `${settings.advertise ?? loopbackFor(settings.host)}:${at('registryGrpc')}`;
  const toRegistry = ['--registry', registryAddress];
  return {
    registry: service('registry', 'registry', { grpc: at('registryGrpc'), operations: at('registryOperations') }),
    workers: Array.from({ length: settings.workers }, (_, index) =>
      service(
        `worker-${index}`,
        'inference-worker',
        { grpc: at('workerGrpc', index), operations: at('workerOperations', index) },
        [...toRegistry, '--device', settings.device, '--state', join(settings.data, 'workers', String(index))],
      ),
    ),
    router: service(
      'router',
      'router',
      { grpc: at('routerGrpc'), rest: at('routerRest'), operations: at('routerOperations') },
      toRegistry,
    ),
    admin: service(
      'admin',
      'admin',
      { grpc: at('adminGrpc'), http: at('adminHttp'), operations: at('adminOperations') },
      toRegistry,
    ),
  };
}

/** All services of a plan, in the order in which they stop. */
export function stopOrder(plan: MeshPlan): readonly (readonly PlannedService[])[] {
  return [[plan.router], plan.workers, [plan.admin], [plan.registry]];
}

/** The address by which this machine reaches what it bound. */
export function loopbackFor(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
}
