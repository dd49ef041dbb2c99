import { ensureServiceToken } from '@bms/auth';
import { GrpcChannel, GrpcServer } from '@bms/grpc';
import { advertisedHost, listening, lockFolder, StartError, type RunningService } from '@bms/lifecycle';
import { createLogger, createMetrics, OperationsServer, type Readiness } from '@bms/telemetry';
import { HealthService, mergeRoutes, reflectionRoutes, type Channel } from '@bms/transport';
import { AuditLog } from './audit/audit-log';
import { listAuditEntries } from './audit/list-audit-entries';
import { systemClock } from './clock';
import type { AdminConfig } from './config';
import { createDownload } from './downloads/create-download';
import { ownNames } from './http/host-check';
import { HttpServer } from './http/http-server';
import { audit } from './layers/audit';
import { authenticate } from './layers/authenticate';
import { authorize } from './layers/authorize';
import { forward } from './layers/forward';
import { observe } from './layers/observe';
import { managementRoutes } from './management.handler';
import { managementStack } from './management.stack';
import { MANAGEMENT_SERVICES } from './management-method';
import { ContractRegistry } from './openapi/contract-registry';
import { RegistryPool } from './registry/registry-pool';
import { createUpload } from './uploads/create-upload';

/** A registry that is silent for one and a half seconds, or takes as long to connect to, is left for the next one. */
const REGISTRY_PATIENCE = { connectTimeoutMs: 1_500, keepaliveTimeoutMs: 1_000 };

/** Puts admin together and starts it. Throws StartError or SettingsError where it cannot. */
export async function startAdmin(
  config: AdminConfig,
  dial: (address: string) => Channel = (address) => new GrpcChannel(address, REGISTRY_PATIENCE),
): Promise<RunningService> {
  const advertised = advertisedHost(config);
  const token = ensureServiceToken(config.data);
  const lock = lockFolder(config.state, 'admin');
  const logger = createLogger('admin', config.logLevel);
  const metrics = createMetrics('admin');
  const auditLog = await openAuditLog(config.state);
  const registries = new RegistryPool(config.registry, dial, systemClock);
  const { now } = systemClock;
  const onInternalError = (err: unknown, path: string): void => logger.error({ err, path }, 'an internal error');

  const road = managementStack({
    observe: observe(metrics, logger, () => performance.now()),
    authenticate: authenticate(token),
    authorize: authorize(token),
    audit: audit(auditLog, logger, now),
    forward: forward(
      registries,
      token,
      new Map([
        ['/bms.admin.v1.AdminService/CreateUpload', createUpload(token, config.registry, now)],
        ['/bms.admin.v1.AdminService/CreateDownload', createDownload(registries, token, now)],
        ['/bms.admin.v1.AdminService/ListAuditEntries', listAuditEntries(auditLog)],
      ]),
    ),
  });

  const health = new HealthService();
  const serviceNames = MANAGEMENT_SERVICES.map(({ definition }) => definition.fullName);
  const grpcServer = new GrpcServer(
    mergeRoutes(managementRoutes(road), health.routes(), reflectionRoutes(serviceNames)),
    {
      onInternalError,
    },
  );
  const httpServer = new HttpServer({
    road,
    registry: new ContractRegistry(),
    ownNames: ownNames(config.host, advertised),
    now,
    onInternalError,
  });
  const readiness = (): Readiness =>
    registries.isReachable
      ? { ready: true }
      : { ready: false, reason: `no registry is connected (of ${config.registry.join(', ')})` };
  const operations = new OperationsServer({ host: config.host, port: config.operationsPort, metrics, readiness });

  const close = async (signal: AbortSignal): Promise<void> => {
    await Promise.all([grpcServer.drain(signal), httpServer.close(signal)]);
    await grpcServer.close();
    registries.close();
    await operations.close();
    await auditLog.close();
    lock.release();
  };
  const { grpcPort, httpPort, operationsPort } = await listen(config, {
    grpc: grpcServer,
    http: httpServer,
    operations,
  }).catch(async (error: unknown) => {
    await close(AbortSignal.abort());
    throw error;
  });
  registries.connect();
  health.setServing(true);
  for (const name of serviceNames) health.setServing(true, name);
  logger.info({ grpcPort, httpPort, operationsPort, registry: config.registry }, 'admin serves');

  return {
    facts: {
      grpc: `${advertised}:${grpcPort}`,
      http: `${advertised}:${httpPort}`,
      operations: `${advertised}:${operationsPort}`,
    },
    stop: async (signal) => {
      health.close();
      await close(signal);
    },
  };
}

/** Where callers and operators come in. */
interface Edges {
  readonly grpc: GrpcServer;
  readonly http: HttpServer;
  readonly operations: OperationsServer;
}

/** Opens the ports. Throws StartError that names the port and the setting. */
async function listen(
  config: AdminConfig,
  { grpc, http, operations }: Edges,
): Promise<{ readonly grpcPort: number; readonly httpPort: number; readonly operationsPort: number }> {
  const { host } = config;
  return {
    grpcPort: await listening('grpcPort', () => grpc.listen({ host, port: config.grpcPort })),
    httpPort: await listening('httpPort', () => http.listen({ host, port: config.httpPort })),
    operationsPort: await listening('operationsPort', () => operations.listen()),
  };
}

async function openAuditLog(folder: string): Promise<AuditLog> {
  try {
    return await AuditLog.open(folder);
  } catch (error) {
    throw new StartError(
      `the audit log in ${folder} cannot be written (${(error as Error).message}): choose another folder with --state`,
    );
  }
}
