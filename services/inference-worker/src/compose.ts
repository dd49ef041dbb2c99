import { availableParallelism } from 'node:os';
import { ensureServiceToken, type ServiceToken } from '@bms/auth';
import { inference, type workerService } from '@bms/contracts';
import { openDataPlane } from '@bms/data-plane';
import {
  advertisedHost,
  listening,
  lockFolder,
  ownVersion,
  type RunningService,
  type ServiceEnvironment,
} from '@bms/lifecycle';
import {
  createLogger,
  createMetrics,
  OperationsServer,
  type Logger,
  type Readiness,
  type Registry,
} from '@bms/telemetry';
import { HealthService, mergeRoutes, reflectionRoutes, type Server } from '@bms/transport';
import { systemClock as clock } from './clock';
import type { WorkerConfig } from './config';
import { watchDevice } from './devices/worker-device';
import { leaveWhenDeviceFails } from './leave-when-device-fails';
import { inferRoutes } from './infer.handler';
import { dialRegistry } from './presence/dial-registry';
import { linkLog } from './presence/link-log';
import { RegistryLink } from './presence/registry-link';
import { workerIdentity, type WorkerIdentity } from './presence/worker-identity';
import { isCpu, type Device } from './servables/device';
import { defaultConcurrentRuns } from './servables/device-permits';
import type { ExecutorFactory } from './servables/executor';
import { OnnxExecutor } from './servables/onnx-executor';
import { usableDevice, type OpenDevice } from './usable-device';
import { buildVersionHost, type VersionHost } from './version-host';
import { workerHello } from './worker-hello';
import { workerMetrics } from './worker-metrics';

const SERVICE = inference.GRPCInferenceServiceDefinition.fullName;

/** A driver that does not tell of its device by then is asked no more. */
const DEVICE_LOOK_MS = 10_000;

/** What finds the device and runs models on it. */
export interface WorkerRuntime {
  readonly openDevice: OpenDevice;
  readonly makeExecutor: ExecutorFactory;
}

function onnxRuntime({ messageLimit }: WorkerConfig): WorkerRuntime {
  return { openDevice: usableDevice, makeExecutor: (spec) => OnnxExecutor.of(spec, messageLimit) };
}

/** Puts a worker together and starts it. Throws StartError or SettingsError where it cannot. */
export async function startWorker(
  given: WorkerConfig,
  environment: Pick<ServiceEnvironment, 'requestStop'>,
  logger: Logger = createLogger('inference-worker', given.logLevel),
  runtime: WorkerRuntime = onnxRuntime(given),
): Promise<RunningService> {
  const advertised = advertisedHost(given);
  const token = ensureServiceToken(given.data);
  const lock = lockFolder(given.state, 'inference-worker');
  const self = workerIdentity(given.state);
  const { device: found, why } = await runtime.openDevice(given.device);
  const device = await watchDevice(found, given, clock, AbortSignal.timeout(DEVICE_LOOK_MS));
  const config = { ...given, concurrentRuns: given.concurrentRuns || concurrentRunsOf(given, found) };
  const metrics = createMetrics('inference-worker');
  const requestStop = (reason: string, exitCode?: number): void => environment.requestStop(reason, exitCode);
  const { makeExecutor } = runtime;
  const worker = buildVersionHost(config, { token, device, makeExecutor, requestStop, logger, metrics });
  const edges = openEdges(config, self, worker, metrics, logger);

  const close = async (): Promise<void> => {
    await Promise.all([edges.grpc.close(), edges.operations.close()]);
    worker.journal.close();
    lock.release();
  };

  const { grpcPort, operationsPort } = await listen(config, edges).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const facts = { grpc: `${advertised}:${grpcPort}`, operations: `${advertised}:${operationsPort}` };
  const link = linkToRegistry(
    config,
    token,
    worker,
    logger,
    workerHello({ config, self, device: device.facts, addresses: facts, nowMs: clock.now() }),
  );
  edges.open(() => link.attached);
  leaveWhenDeviceFails({ ...worker, reported: () => link.changed(), requestStop, logger });
  link.start();
  device.meter?.start();
  const { provider, name } = device.facts;
  logger.info(
    { ...facts, workerId: self.workerId, device: provider, name, why, registry: config.registry },
    'worker serves',
  );

  return {
    facts,
    stop: async (signal) => {
      worker.restart.cancel();
      device.meter?.stop();
      edges.health.close();
      await link.drain('the worker stops', signal);
      edges.sayGoodbye();
      await edges.grpc.drain(signal);
      await worker.reconciler.close(signal);
      await link.close();
      await close();
      if (worker.reconciler.stuck) endStuckProcess(logger);
    },
  };
}

/** Where callers and operators come in. */
interface Edges {
  readonly grpc: Server;
  readonly operations: OperationsServer;
  readonly health: HealthService;
  /** From now on the worker serves; `attached` says whether a registry knows of it. */
  open(attached: () => boolean): void;
  /** What still comes on connections that end is refused. */
  sayGoodbye(): void;
}

function openEdges(
  config: WorkerConfig,
  self: WorkerIdentity,
  worker: VersionHost,
  metrics: Registry,
  logger: Logger,
): Edges {
  const { device, servables, predictions, queue, reconciler, ledger } = worker;
  let leaving = false;
  let attached = (): boolean => false;
  const readiness = (): Readiness => {
    const { failure } = device.health;
    if (failure !== undefined) return { ready: false, reason: `the device needs a new process: ${failure}` };
    if (leaving) return { ready: false, reason: 'the worker stops' };
    if (attached() || servables.size > 0) return { ready: true };
    return {
      ready: false,
      reason: `no registry is attached (of ${config.registry.join(', ')}) and no version is held`,
    };
  };
  const observe = workerMetrics(metrics, {
    queue: () => queue,
    replicas: () => reconciler.present(),
    memory: () => ledger.report(),
    device: device.facts,
    deviceUse: () => device.meter?.use,
  });
  const health = new HealthService();
  const grpc = openDataPlane(
    mergeRoutes(
      inferRoutes({
        servables,
        predictions,
        self,
        isReady: () => readiness().ready,
        isLeaving: () => leaving || device.health.failure !== undefined,
        observe,
        bmsVersion: ownVersion(__dirname),
      }),
      health.routes(),
      reflectionRoutes([SERVICE, 'grpc.health.v1.Health']),
    ),
    {
      transport: config.transport,
      peers: 'mesh',
      messageBytes: config.messageLimit,
      onInternalError: (err, path) => logger.error({ err, path }, 'an internal error'),
    },
  );
  return {
    grpc,
    operations: new OperationsServer({ host: config.host, port: config.operationsPort, metrics, readiness }),
    health,
    open: (isAttached) => {
      attached = isAttached;
      for (const service of ['', SERVICE]) health.setServing(true, service);
    },
    sayGoodbye: () => (leaving = true),
  };
}

function linkToRegistry(
  config: WorkerConfig,
  token: ServiceToken,
  { reconciler, ledger, device }: VersionHost,
  logger: Logger,
  hello: workerService.WorkerHello,
): RegistryLink {
  const link = new RegistryLink({
    addresses: config.registry,
    dial: dialRegistry,
    token,
    hello,
    report: () => ({
      generation: reconciler.generation,
      memory: ledger.report(),
      replicas: reconciler.present(),
      device: device.meter?.use,
      deviceFailure: device.health.failure ?? '',
    }),
    applyDesired: (set) => {
      if (!reconciler.apply(set)) {
        logger.warn(
          { generation: Number(set.generation), seen: Number(reconciler.generation) },
          'an older desired set is ignored',
        );
      }
    },
    clock,
    random: Math.random,
    say: linkLog(logger),
  });
  reconciler.onChange(() => link.changed());
  device.meter?.onMoved(() => link.changed());
  return link;
}

function concurrentRunsOf({ intraOpThreads, executors }: WorkerConfig, device: Device): number {
  return Math.max(executors, defaultConcurrentRuns(isCpu(device), availableParallelism(), intraOpThreads));
}

/** Opens the ports. Throws StartError that names the port and the setting. */
async function listen(
  config: WorkerConfig,
  { grpc, operations }: Edges,
): Promise<{ readonly grpcPort: number; readonly operationsPort: number }> {
  const { host } = config;
  return {
    grpcPort: await listening('grpcPort', () => grpc.listen({ host, port: config.grpcPort })),
    operationsPort: await listening('operationsPort', () => operations.listen()),
  };
}

/** A thread in a run that does not return would hold up even `process.exit`, which waits for every thread. */
function endStuckProcess(logger: Logger): void {
  logger.warn('a run does not return: the process ends by SIGKILL');
  process.kill(process.pid, 'SIGKILL');
}
