import { randomUUID } from 'node:crypto';
import { bearer, ensureServiceToken, type ServiceToken } from '@bms/auth';
import { CallMetadata, inference } from '@bms/contracts';
import { dialDataPlane, openDataPlane } from '@bms/data-plane';
import { GrpcChannel } from '@bms/grpc';
import { advertisedHost, listening, lockFolder, ownVersion, type RunningService } from '@bms/lifecycle';
import { createLogger, createMetrics, OperationsServer, type Logger } from '@bms/telemetry';
import { HealthService, mergeRoutes, Metadata, reflectionRoutes, type Channel, type Server } from '@bms/transport';
import { Catalog } from './catalog/catalog';
import { RouteWatch } from './catalog/route-watch';
import type { VersionEntry } from './catalog/route-table';
import { SnapshotFile } from './catalog/snapshot-file';
import { systemClock as clock } from './clock';
import type { RouterConfig } from './config';
import { Fleet, type FleetObserver } from './fleet/fleet';
import { MODEL_INFER_PATH } from './fleet/fleet-replica';
import { inferRoutes } from './infer.handler';
import { inferStack, type Infer } from './infer.stack';
import { ByteBudget } from './layers/bound-bytes';
import { refuse, type Refuse } from './layers/observe';
import { CallLog } from './observation/call-log';
import { CallTotals } from './observation/call-totals';
import { fleetLog, routeWatchLog, snapshotFileLog } from './observation/control-log';
import { RouterMetrics } from './observation/router-metrics';
import { readinessOf } from './readiness';
import { RestHandler } from './rest.handler';
import { requestIds } from './request-id';
import { RestServer } from './rest/rest-server';
import { ensureRouterId } from './router-id';

/** A new worker's first connection is waited for this long before a revision that names it is acknowledged. */
const FIRST_CONNECTION_MS = 1_000;
/** An answer may be a little larger than the requests that a server takes. */
const ANSWER_SLACK_BYTES = 64 * 1024;
/** A worker of which nothing has come for 400 ms is asked, and lost when nothing comes for another second. */
const WORKER_ANSWERS_WITHIN_MS = 1_000;
/** There are other registries to ask. */
const REGISTRY_PATIENCE = { connectTimeoutMs: 1_500, keepaliveTimeoutMs: 1_000 };
const SERVICE = inference.GRPCInferenceServiceDefinition.fullName;

/** Puts a router together and starts it. Throws StartError or SettingsError where it cannot. */
export async function startRouter(
  config: RouterConfig,
  logger: Logger = createLogger('router', config.logLevel),
): Promise<RunningService> {
  const advertised = advertisedHost(config);
  const token = ensureServiceToken(config.data);
  const lock = lockFolder(config.state, 'router');
  const road = requestRoad(config, token, logger);
  const edges = openEdges(config, road, logger);
  const snapshotFile = useSavedRoutes(config, road.catalog, logger);
  const close = async (): Promise<void> => {
    road.fleet.close();
    await snapshotFile.flushed();
    await Promise.all([edges.grpc.close(), edges.rest.close(), edges.operations.close()]);
    lock.release();
  };
  const ports = await listen(config, edges).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const address = (port: number): string => `${advertised}:${port}`;
  const facts = { grpc: address(ports.grpc), rest: address(ports.rest), operations: address(ports.operations) };
  const watch = followRoutes(config, token, road, logger, {
    address: facts.grpc,
    operationsAddress: facts.operations,
  });
  logger.info({ ...facts, registry: config.registry }, 'router serves');
  return {
    facts,
    stop: async (signal) => {
      edges.stopping();
      // The routes are followed until the last request is answered: it may have to be sent elsewhere.
      await Promise.all([edges.grpc.drain(signal), edges.rest.drain(signal)]);
      await watch.stop();
      await close();
    },
  };
}

/** Routes by what was saved last, until the registry says more, and saves each change. */
function useSavedRoutes(config: RouterConfig, catalog: Catalog, logger: Logger): SnapshotFile {
  const file = new SnapshotFile(config.state, snapshotFileLog(logger));
  const saved = file.load();
  if (saved !== undefined) {
    catalog.replace(saved);
    logger.info({ revision: Number(saved.revision) }, 'serving by the saved routes until the registry answers');
  }
  catalog.onChange((table) => file.save(table));
  return file;
}

/** What a request meets between the edges and the workers. */
interface RequestRoad {
  readonly catalog: Catalog;
  readonly fleet: Fleet;
  readonly budget: ByteBudget;
  readonly totals: CallTotals;
  readonly metrics: RouterMetrics;
  readonly infer: Infer;
  readonly refuse: Refuse;
  readonly metricsRegistry: ReturnType<typeof createMetrics>;
}

function requestRoad(config: RouterConfig, token: ServiceToken, logger: Logger): RequestRoad {
  const metricsRegistry = createMetrics('router');
  const catalog = new Catalog();
  const budget = new ByteBudget(config.bytesInFlightLimit);
  const totals = new CallTotals();
  const metrics: RouterMetrics = new RouterMetrics(metricsRegistry, {
    revision: () => Number(catalog.current?.revision ?? -1n),
    workers: () => fleet.size,
    bytesInFlight: () => budget.takenBytes,
  });
  const fleet: Fleet = new Fleet({
    dial: (address) => dialWorker(config, address),
    clock,
    random: Math.random,
    callsPerWorker: config.callsPerWorker,
    firstConnectionMs: FIRST_CONNECTION_MS,
    observer: both(fleetLog(logger), metrics),
  });
  // The routes and the connections that they need change in one turn: no request sees one without the other.
  catalog.onChange((table) => fleet.follow(table));
  const observed = { clock, metrics, totals, log: new CallLog(logger, clock) };
  const infer = inferStack({
    observe: observed,
    token,
    catalog,
    budget,
    dispatch: { catalog, fleet, clock, waitLimitMs: config.waitMs, observer: metrics },
  });
  return { catalog, fleet, budget, totals, metrics, infer, refuse: refuse(observed), metricsRegistry };
}

function dialWorker(config: RouterConfig, address: string): Channel {
  return dialDataPlane(config.transport, address, {
    messageBytes: config.messageLimit + ANSWER_SLACK_BYTES,
    keepaliveTimeoutMs: WORKER_ANSWERS_WITHIN_MS,
  });
}

function both(one: FleetObserver, other: FleetObserver): FleetObserver {
  return {
    connection: (worker, ready) => {
      one.connection(worker, ready);
      other.connection(worker, ready);
    },
    ejected: (replica) => {
      one.ejected(replica);
      other.ejected(replica);
    },
  };
}

/** Where callers and operators come in. */
interface Edges {
  readonly grpc: Server;
  readonly rest: RestServer;
  readonly operations: OperationsServer;
  /** Says everywhere that no more work is wanted here. */
  stopping(): void;
}

function openEdges(config: RouterConfig, road: RequestRoad, logger: Logger): Edges {
  const { catalog, fleet, infer, budget } = road;
  let stopping = false;
  const readiness = (): ReturnType<typeof readinessOf> => readinessOf(catalog, fleet, stopping);
  const nobody = new Set<never>();
  const shared = {
    infer,
    refuse: road.refuse,
    catalog,
    isReady: (version: VersionEntry) => fleet.pick(version, nobody).kind === 'replica',
    clock,
    newRequestId: requestIds(),
    defaultDeadlineMs: config.deadlineMs,
  };
  const onInternalError = (err: unknown, path: string): void => logger.error({ err, path }, 'an internal error');
  const health = new HealthService();
  const tellHealth = (): void => {
    const { ready } = readiness();
    for (const service of ['', SERVICE]) health.setServing(ready, service);
  };
  fleet.onChange(tellHealth);
  tellHealth();
  const grpc = openDataPlane(
    mergeRoutes(
      inferRoutes({ ...shared, serverReady: () => readiness().ready, bmsVersion: ownVersion(__dirname) }),
      health.routes(),
      reflectionRoutes([SERVICE, 'grpc.health.v1.Health']),
    ),
    {
      transport: config.transport,
      peers: 'callers',
      messageBytes: config.messageLimit,
      // Predictions are logged by their own road.
      onInternalError: (err, path) => {
        if (path !== MODEL_INFER_PATH) onInternalError(err, path);
      },
    },
  );
  const handler = new RestHandler({ ...shared, budget, messageLimitBytes: config.messageLimit, onInternalError });
  return {
    grpc,
    rest: new RestServer((request, response, asked) => handler.handle(request, response, asked)),
    operations: new OperationsServer({
      host: config.host,
      port: config.operationsPort,
      metrics: road.metricsRegistry,
      readiness,
    }),
    stopping: () => {
      stopping = true;
      health.close();
    },
  };
}

/** Follows the registry's routes until it is stopped. */
function followRoutes(
  config: RouterConfig,
  token: ServiceToken,
  { catalog, fleet, totals }: RequestRoad,
  logger: Logger,
  addresses: { readonly address: string; readonly operationsAddress: string },
): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const watch = new RouteWatch({
    registries: config.registry,
    dial: (address) => new GrpcChannel(address, REGISTRY_PATIENCE),
    metadata: Metadata.from({ [CallMetadata.authorization]: bearer(token) }),
    identity: {
      routerId: ensureRouterId(config.state),
      incarnation: randomUUID(),
      pid: BigInt(process.pid),
      ...addresses,
    },
    catalog,
    connected: (signal) => fleet.firstConnections(signal),
    totals: () => totals.toMessage(),
    clock,
    random: Math.random,
    observer: routeWatchLog(logger, config.state),
  });
  const ended = watch.run(stopped.signal);
  return {
    stop: async () => {
      stopped.abort();
      await ended;
    },
  };
}

/** Opens the ports. Throws StartError that names the port and the setting. */
async function listen(
  config: RouterConfig,
  { grpc, rest, operations }: Edges,
): Promise<{ readonly grpc: number; readonly rest: number; readonly operations: number }> {
  const { host } = config;
  return {
    grpc: await listening('grpcPort', () => grpc.listen({ host, port: config.grpcPort })),
    rest: await listening('restPort', () => rest.listen({ host, port: config.restPort })),
    operations: await listening('operationsPort', () => operations.listen()),
  };
}
