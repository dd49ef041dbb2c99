import { setMaxListeners } from 'node:events';
import { FolderBlobStore, type BlobStore } from '@bms/artifacts';
import { ensureServiceToken, guardRoutes, type ServiceToken } from '@bms/auth';
import { blobService, meshService, modelService, routeService, workerService } from '@bms/contracts';
import { GrpcServer } from '@bms/grpc';
import { advertisedHost, listening, StartError, type RunningService } from '@bms/lifecycle';
import { openEmbeddedStore, type MetaStore } from '@bms/metastore';
import { createLogger, createMetrics, OperationsServer, type Logger } from '@bms/telemetry';
import { HealthService, mergeRoutes, pathOf, reflectionRoutes, type Routes } from '@bms/transport';
import { blobHandler } from './blob.handler';
import { systemClock as clock } from './clock';
import { blobFolder, storeFolder, type RegistryConfig } from './config';
import { Housekeeping } from './housekeeping';
import { meshHandler } from './mesh.handler';
import { modelHandler } from './model.handler';
import { sweepBlobs } from './models/blob-sweep';
import { ModelCatalog } from './models/model-catalog';
import { ModelStore } from './models/model-store';
import { ReadinessWatch } from './models/readiness-watch';
import { VersionRegistration } from './models/version-registration';
import { logPlacement, routerLog, workerLog } from './observation/control-log';
import { measuredStore } from './observation/measured-store';
import { RegistryMetrics } from './observation/registry-metrics';
import { SOLE_REGISTRY } from './placement/leadership';
import { PlacementLoop } from './placement/placement-loop';
import { KeyLayout } from './records/keys';
import { openMesh } from './records/open-mesh';
import { CorruptValueError, NewerStoreError } from './records/value-format';
import { routeHandler } from './route.handler';
import { explainStoreFailures } from './store-failures';
import { RouteFeed } from './watch/route-feed';
import { RouterAcknowledgements } from './watch/router-acknowledgements';
import { RouterConnections } from './watch/router-connections';
import { StoreMirror } from './watch/store-mirror';
import { workerHandler } from './worker.handler';
import { forgetWorkers } from './workers/desired-sweep';
import { WorkerPresence } from './workers/worker-presence';

const SERVICES = [
  modelService.ModelServiceDefinition,
  blobService.BlobServiceDefinition,
  workerService.WorkerServiceDefinition,
  routeService.RouteServiceDefinition,
  meshService.MeshServiceDefinition,
] as const;

/** Reading needs no token; up- and downloads carry a ticket, which their handler checks. Everything else changes something, or is for the mesh's own processes. */
const OPEN_PATHS: ReadonlySet<string> = new Set([
  pathOf(modelService.ModelServiceDefinition, modelService.ModelServiceDefinition.methods.listModels),
  pathOf(modelService.ModelServiceDefinition, modelService.ModelServiceDefinition.methods.getModel),
  pathOf(modelService.ModelServiceDefinition, modelService.ModelServiceDefinition.methods.waitForVersion),
  pathOf(meshService.MeshServiceDefinition, meshService.MeshServiceDefinition.methods.getMeshStatus),
  pathOf(blobService.BlobServiceDefinition, blobService.BlobServiceDefinition.methods.statBlob),
  pathOf(blobService.BlobServiceDefinition, blobService.BlobServiceDefinition.methods.uploadBlob),
  pathOf(blobService.BlobServiceDefinition, blobService.BlobServiceDefinition.methods.downloadBlob),
]);

/**
 * Puts a registry together and starts it. Throws StartError, SettingsError or FolderTakenError where it cannot.
 * `requestStop` is called when it has to end by itself.
 */
export async function startRegistry(
  config: RegistryConfig,
  requestStop: (reason: string) => void,
  logger: Logger = createLogger('registry', config.logLevel),
): Promise<RunningService> {
  const advertised = advertisedHost(config);
  const token = ensureServiceToken(config.data);
  const store = await openEmbeddedStore({ folder: storeFolder(config), program: 'registry' });
  try {
    const plane = await openControlPlane(config, store, token, logger, requestStop);
    return await serve(config, advertised, plane, logger).catch(async (error: unknown) => {
      await plane.endStreams();
      await plane.close();
      throw error;
    });
  } catch (error) {
    await store.close();
    if (error instanceof NewerStoreError || error instanceof CorruptValueError) throw new StartError(error.message);
    throw error;
  }
}

/** All that a registry does, without its ports. */
interface ControlPlane {
  readonly routes: Routes;
  readonly metrics: ReturnType<typeof createMetrics>;
  /** Why it cannot do its job; undefined: it can. */
  readonly trouble: () => string | undefined;
  /** Ends the streams and waits of others; they are told to go elsewhere. */
  endStreams(): Promise<void>;
  close(): Promise<void>;
}

async function openControlPlane(
  config: RegistryConfig,
  opened: MetaStore,
  token: ServiceToken,
  logger: Logger,
  requestStop: (reason: string) => void,
): Promise<ControlPlane> {
  const stopped = new AbortController();
  const shutdown = new AbortController();
  setMaxListeners(0, shutdown.signal, stopped.signal); // every stream and every wait listens
  const keys = new KeyLayout();
  const leadership = SOLE_REGISTRY;
  const { leaseTtlMs, replicas: defaultReplicas } = config;
  const blobs: BlobStore = new FolderBlobStore(blobFolder(config));

  const metricsRegistry = createMetrics('registry');
  const store = measuredStore(
    opened,
    () => performance.now(),
    (seconds) => metrics.commitSeconds.observe(seconds),
  );
  const mesh = await openMesh(opened, keys, clock.nowMs(), stopped.signal);
  let failure: string | undefined;
  const mirror = new StoreMirror({
    store,
    keys,
    clock,
    mesh,
    onFailed: (error) => {
      failure = error.message;
      logger.error({ err: error }, 'the store cannot be followed any more');
      requestStop(failure);
    },
    onTrouble: (err) => logger.warn({ err }, 'the store is read again'),
  });
  const feed = new RouteFeed(mirror);
  const routers = new RouterConnections();
  const metrics = new RegistryMetrics(metricsRegistry, {
    snapshot: () => mirror.snapshot,
    attachedRouters: () => routers.size,
  });
  const acknowledgements = new RouterAcknowledgements(feed, routers, clock);
  const readiness = new ReadinessWatch({
    mirror,
    keys,
    acknowledgements,
    clock,
    defaultReplicas,
    shutdown: shutdown.signal,
  });
  const models = new ModelStore({ store, keys, clock, random: Math.random });
  const catalog = new ModelCatalog({ models, readiness, mirror, acknowledgements, clock });
  const placement = new PlacementLoop({
    store,
    keys,
    mirror,
    acknowledgements,
    leadership,
    clock,
    defaultReplicas,
    settleMs: leaseTtlMs,
    onAction: (action) => {
      metrics.placed(action.kind);
      logPlacement(logger, action);
    },
    onTrouble: (err) => logger.warn({ err }, 'placement could not go on; trying again'),
  });
  const housekeeping = new Housekeeping({
    clock,
    leadership,
    tasks: [
      async (signal) => {
        const swept = await sweepBlobs(store, keys, blobs, signal);
        if (swept > 0) logger.info({ swept }, 'deleted artifacts and uploads that nothing refers to');
      },
      async (signal) => {
        await forgetWorkers(store, keys, leadership, mirror.snapshot, clock.nowMs(), signal);
      },
    ],
    onTrouble: (err) => logger.warn({ err }, 'clearing away failed; trying again in an hour'),
  });

  await mirror.start(stopped.signal);
  placement.start();
  housekeeping.start();
  logger.info({ mesh: mesh.id, revision: Number(mirror.snapshot.revision), store: store.kind }, 'the store is open');

  const presence = new WorkerPresence({ store, keys, leaseTtlMs });
  const shared = { mirror, acknowledgements, clock, meshId: mesh.id, shutdown: shutdown.signal };
  const routes = mergeRoutes(
    modelHandler({ catalog, registration: new VersionRegistration(catalog, blobs), readiness, routers }),
    blobHandler({ blobs, token, nowMs: () => clock.nowMs() }),
    workerHandler({ ...shared, presence, observer: workerLog(logger) }),
    routeHandler({ ...shared, feed, connections: routers, observer: routerLog(logger) }),
    meshHandler({ readiness, routers, storeKind: store.kind }),
  );
  return {
    routes: guardRoutes(explainStoreFailures(routes), token, OPEN_PATHS),
    metrics: metricsRegistry,
    trouble: () => failure,
    endStreams: async () => {
      await Promise.all([placement.close(), housekeeping.close()]);
      shutdown.abort();
    },
    close: async () => {
      stopped.abort();
      await mirror.stopped();
      await store.close();
    },
  };
}

async function serve(
  config: RegistryConfig,
  advertised: string,
  plane: ControlPlane,
  logger: Logger,
): Promise<RunningService> {
  const { host } = config;
  let stopping = false;
  const health = new HealthService();
  const names = SERVICES.map(({ fullName }) => fullName);
  const grpc = new GrpcServer(
    mergeRoutes(plane.routes, health.routes(), reflectionRoutes([...names, 'grpc.health.v1.Health'])),
    { onInternalError: (err, path) => logger.error({ err, path }, 'an internal error') },
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
  logger.info({ grpcPort, operationsPort }, 'registry serves');

  return {
    facts: { grpc: `${advertised}:${grpcPort}`, operations: `${advertised}:${operationsPort}` },
    stop: async (signal) => {
      stopping = true;
      health.close();
      await plane.endStreams();
      await grpc.drain(signal);
      await grpc.close();
      await plane.close();
      await operations.close();
    },
  };
}
