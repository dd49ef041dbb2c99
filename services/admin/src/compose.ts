import { ensureServiceToken } from '@bms/auth';
import { GrpcChannel, GrpcServer } from '@bms/grpc';
import { advertisedHost, lockFolder, StartError, type RunningService } from '@bms/lifecycle';
import { flagOf, variableOf } from '@bms/settings';
import { createLogger, createMetrics, OperationsServer, type Readiness } from '@bms/telemetry';
import {
  HealthService,
  listenFailure,
  mergeRoutes,
  PortTakenError,
  reflectionRoutes,
  type Channel,
} from '@bms/transport';
import { AuditLog } from './audit/audit-log';
import { listAuditEntries } from './audit/list-audit-entries';
import { systemClock } from './clock';
import type { AdminConfig } from './config';
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

/** Puts admin together and starts it. Throws StartError or SettingsError where it cannot. */
export async function startAdmin(
  config: AdminConfig,
  dial: (address: string) => Channel = (address) => new GrpcChannel(address),
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

  const { host } = config;
  const grpcPort = await listening('grpcPort', () => grpcServer.listen({ host, port: config.grpcPort }));
  const httpPort = await listening('httpPort', () => httpServer.listen({ host, port: config.httpPort }));
  const operationsPort = await listening('operationsPort', () =>
    operations.listen().catch((error: unknown) => {
      throw listenFailure(error, { host, port: config.operationsPort });
    }),
  );
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
      await Promise.all([grpcServer.drain(signal), httpServer.close(signal)]);
      await grpcServer.close();
      registries.close();
      await operations.close();
      await auditLog.close();
      lock.release();
    },
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

async function listening(
  setting: 'grpcPort' | 'httpPort' | 'operationsPort',
  listen: () => Promise<number>,
): Promise<number> {
  try {
    return await listen();
  } catch (error) {
    const remedy = error instanceof PortTakenError ? 'stop that process, or choose another port with' : 'see';
    throw new StartError(`${(error as Error).message}: ${remedy} ${flagOf(setting)} (${variableOf(setting)})`);
  }
}
