import { join } from 'node:path';
import { flagOf } from '@bms/settings';
import { storeFields, type MeshSettings } from './mesh-settings';

/** The packages under services/. */
export type ServiceKind = 'registry' | 'router' | 'inference-worker' | 'admin';

/** One process of a mesh on this machine. */
export interface PlannedService {
  /** Unique in the mesh: registry, registry-1, worker-0, … */
  readonly name: string;
  readonly kind: ServiceKind;
  readonly flags: readonly string[];
  /** The ports that it will bind, each with what it is for; the first one is where others call it. */
  readonly ports: readonly { readonly port: number; readonly purpose: string }[];
}

/** The processes of a mesh, by the order in which they stop: callers' address first, what all others need last. */
export interface MeshPlan {
  readonly routers: readonly PlannedService[];
  readonly workers: readonly PlannedService[];
  readonly admin: PlannedService;
  readonly registries: readonly PlannedService[];
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

/** From the ports of a router or registry to those of the next one. */
const REPLICA_STEP = 10;

/** What to start for these settings. Pure. */
export function planMesh(settings: MeshSettings, configFile: string | undefined): MeshPlan {
  const at = (offset: keyof typeof PORT_OFFSETS, further = 0): number =>
    settings.portBase + PORT_OFFSETS[offset] + further;
  const common = commonFlags(settings, configFile);
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
  const host = settings.advertise ?? loopbackFor(settings.host);
  const registries = replicaNames('registry', settings.registries).map((name, index) =>
    service(
      name,
      'registry',
      { grpc: at('registryGrpc', index * REPLICA_STEP), operations: at('registryOperations', index * REPLICA_STEP) },
      [...storeFlags(settings), ...stateFlags(settings, 'registries', index)],
    ),
  );
  const toRegistry = ['--registry', registries.map(({ ports }) => `${host}:${ports[0]?.port}`).join(',')];
  return {
    registries,
    workers: Array.from({ length: settings.workers }, (_, index) =>
      service(
        `worker-${index}`,
        'inference-worker',
        { grpc: at('workerGrpc', index), operations: at('workerOperations', index) },
        [
          ...toRegistry,
          ...['--device', settings.device[index % settings.device.length] ?? ''],
          ...['--state', join(settings.data, 'workers', String(index))],
        ],
      ),
    ),
    routers: replicaNames('router', settings.routers).map((name, index) =>
      service(
        name,
        'router',
        {
          grpc: at('routerGrpc', index * REPLICA_STEP),
          rest: at('routerRest', index * REPLICA_STEP),
          operations: at('routerOperations', index * REPLICA_STEP),
        },
        [...toRegistry, ...stateFlags(settings, 'routers', index)],
      ),
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
  return [plan.routers, plan.workers, [plan.admin], plan.registries];
}

/** The address by which this machine reaches what it bound. */
export function loopbackFor(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
}

function commonFlags(settings: MeshSettings, configFile: string | undefined): readonly string[] {
  return [
    ...['--data', settings.data, '--host', settings.host, '--log-level', settings.logLevel],
    ...(settings.insecure ? ['--insecure'] : []),
    ...(settings.advertise === undefined ? [] : ['--advertise', settings.advertise]),
    ...(configFile === undefined ? [] : ['--config', configFile]),
  ];
}

/** Only what was said: the registries' own settings hold for the rest. */
function storeFlags(settings: MeshSettings): readonly string[] {
  return (Object.keys(storeFields) as (keyof typeof storeFields)[]).flatMap((key) => {
    const value = settings[key];
    return value === undefined ? [] : [flagOf(key), value];
  });
}

/** The first one has the folder of a service that runs alone. */
function stateFlags({ data }: MeshSettings, folder: string, index: number): readonly string[] {
  return index === 0 ? [] : ['--state', join(data, folder, String(index))];
}

/** `router`, `router-1`, `router-2`, … */
function replicaNames(name: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => (index === 0 ? name : `${name}-${index}`));
}
