import { hostname } from 'node:os';
import { ensureServiceToken } from '@bms/auth';
import { blobService, meshService, modelService, peerService, routeService, workerService } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import { advertisedHost, listening, ownVersion, StartError, type RunningService } from '@bms/lifecycle';
import { createLogger, OperationsServer, type Logger } from '@bms/telemetry';
import { HealthService, mergeRoutes, reflectionRoutes } from '@bms/transport';
import { stateFolder, type RegistryConfig } from './config';
import { openControlPlane, type ControlPlane } from './control-plane';
import { CorruptValueError, NewerStoreError } from './records/value-format';
import { openStore } from './store/open-store';
import { StateFolder } from './store/state-folder';

/** Workers and routers that are cut off leave their streams behind, half open: so soon those are ended. */
const CALLER_TIMEOUT_MS = 2_500;

const SERVICES = [
  modelService.ModelServiceDefinition,
  blobService.BlobServiceDefinition,
  workerService.WorkerServiceDefinition,
  routeService.RouteServiceDefinition,
  meshService.MeshServiceDefinition,
  peerService.PeerServiceDefinition,
] as const;

/**
 * Puts a registry together and starts it. Throws StartError, SettingsError or FolderTakenError where it cannot.
 * `requestStop` is called when it has to end by itself; `open` opens the store that the settings name.
 */
export async function startRegistry(
  config: RegistryConfig,
  requestStop: (reason: string) => void,
  logger: Logger = createLogger('registry', config.logLevel),
  open: typeof openStore = openStore,
): Promise<RunningService> {
  const advertised = advertisedHost(config);
  const token = ensureServiceToken(config.data);
  const state = StateFolder.open(stateFolder(config));
  try {
    const opened = await open(config);
    const plane = await openControlPlane({ config, opened, open, state, token, logger, requestStop }).catch(
      async (error: unknown) => {
        await opened.close();
        throw error;
      },
    );
    return await serve(config, advertised, plane, state, logger).catch(async (error: unknown) => {
      await plane.endStreams();
      await plane.close();
      throw error;
    });
  } catch (error) {
    state.close();
    if (error instanceof NewerStoreError || error instanceof CorruptValueError) throw new StartError(error.message);
    throw error;
  }
}

async function serve(
  config: RegistryConfig,
  advertised: string,
  plane: ControlPlane,
  state: StateFolder,
  logger: Logger,
): Promise<RunningService> {
  const { host } = config;
  let stopping = false;
  const health = new HealthService();
  const names = SERVICES.map(({ fullName }) => fullName);
  const grpc = new GrpcServer(
    mergeRoutes(plane.routes, health.routes(), reflectionRoutes([...names, 'grpc.health.v1.Health'])),
    {
      onInternalError: (err, path) => logger.error({ err, path }, 'an internal error'),
      callerTimeoutMs: CALLER_TIMEOUT_MS,
    },
  );
  const operations = new OperationsServer({
    host,
    port: config.operationsPort,
    metrics: plane.metrics,
    readiness: () => {
      const reason = stopping ? 'it is going away' : plane.trouble();
      return reason === undefined ? { ready: true } : { ready: false, reason };
    },
  });

  const listen = async (): Promise<readonly [grpcPort: number, operationsPort: number]> => [
    await listening('grpcPort', () => grpc.listen({ host, port: config.grpcPort })),
    await listening('operationsPort', () => operations.listen()),
  ];
  const [grpcPort, operationsPort] = await listen().catch(async (error: unknown) => {
    await grpc.close();
    throw error;
  });
  for (const name of ['', ...names]) health.setServing(true, name);
  const facts = { grpc: `${advertised}:${grpcPort}`, operations: `${advertised}:${operationsPort}` };
  plane.announce({
    id: state.identity.registryId,
    incarnation: state.identity.incarnation,
    address: facts.grpc,
    operationsAddress: facts.operations,
    host: hostname(),
    pid: process.pid,
    startedAtMs: Date.now(),
    bmsVersion: ownVersion(__dirname),
  });
  logger.info({ grpcPort, operationsPort }, 'registry serves');

  return {
    facts,
    stop: async (signal) => {
      stopping = true;
      health.close();
      await plane.endStreams();
      await grpc.drain(signal);
      await grpc.close();
      await plane.close();
      await operations.close();
      state.close();
    },
  };
}
