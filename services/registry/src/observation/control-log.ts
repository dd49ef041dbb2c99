import type { Logger } from '@bms/telemetry';
import type { PlacementStep } from '../placement/placement-loop';
import type { RouterObserver } from '../route.handler';
import { ReportTooLargeError } from '../workers/fit-report';
import type { WorkerObserver } from '../workers/worker-session';

// What the control plane does, as log lines.

export function workerLog(logger: Logger): WorkerObserver {
  return {
    attached: ({ id, incarnation, address, device }) =>
      logger.info({ worker: id, incarnation, address, provider: device.provider }, 'a worker has attached'),
    draining: ({ id }) => logger.info({ worker: id }, 'a worker wants to go: taking it out of the routes'),
    ended: ({ id }, how) => logger.info({ worker: id, how }, "a worker's stream has ended"),
    trouble: ({ id }, err) => {
      const next = err instanceof ReportTooLargeError ? 'waiting for its next report' : 'trying again';
      logger.warn({ worker: id, err }, `a worker's record cannot be written now; ${next}`);
    },
  };
}

export function routerLog(logger: Logger): RouterObserver {
  return {
    connected: ({ routerId, address }) => logger.info({ router: routerId, address }, 'a router follows the routes'),
    disconnected: ({ routerId }) => logger.info({ router: routerId }, 'a router has gone'),
    twin: ({ routerId, address }, other) =>
      logger.warn(
        { router: routerId, address, otherAddress: other.hello.address, otherRegistry: other.registryId },
        'two routers run with one id: the state folder of one is a copy; give each its own --state',
      ),
  };
}

export function logPlacement(logger: Logger, { kind, version, worker }: PlacementStep): void {
  logger.info({ action: kind, version, worker }, 'placement');
}
