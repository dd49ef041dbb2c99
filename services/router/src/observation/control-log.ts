import type { Logger } from '@bms/telemetry';
import type { FleetObserver } from '../fleet/fleet';
import type { RouteWatchObserver } from '../catalog/route-watch';
import type { SnapshotFileEvents } from '../catalog/snapshot-file';

/** Of failures in a row, these are told; the others only at debug. */
const TOLD_FAILURES = new Set([1, 10, 100]);

/** What the log tells of the route watch. */
export function routeWatchLog(logger: Logger, stateFolder: string): RouteWatchObserver {
  let foreign: string | undefined;
  return {
    following: (registry, revision) => logger.info({ registry, revision: Number(revision) }, 'following the routes'),
    lost: (registry, { message }, failures) => {
      const level = TOLD_FAILURES.has(failures) ? 'warn' : 'debug';
      logger[level]({ registry, failures, reason: message }, 'no routes from the registry; serving by the last ones');
    },
    foreignMesh: (registry, meshId, heldMeshId) => {
      if (foreign === meshId) return;
      foreign = meshId;
      logger.error(
        { registry, meshId, heldMeshId },
        `the registry belongs to another mesh than this router's routes: they stay in use. To join the new mesh, stop this router, delete ${stateFolder} and start it again`,
      );
    },
    behind: (registry, revision, heldRevision) =>
      logger.warn(
        { registry, revision: Number(revision), heldRevision: Number(heldRevision) },
        'the registry is behind the routes in use; asking again',
      ),
  };
}

/** What the log tells of workers. */
export function fleetLog(logger: Logger): FleetObserver {
  return {
    connection: ({ workerId, address }, ready) =>
      ready
        ? logger.info({ worker: workerId, address }, 'connected to the worker')
        : logger.debug({ worker: workerId, address }, 'not connected to the worker'),
    ejected: ({ worker, version, ejection }) =>
      logger.warn(
        { worker: worker.workerId, version, ejections: ejection.history.ejections },
        'replica ejected: it fails',
      ),
  };
}

/** What the log tells of the routes on disk. */
export function snapshotFileLog(logger: Logger): SnapshotFileEvents {
  return {
    onUnreadable: (file, { message }) => logger.warn({ file, reason: message }, 'the saved routes cannot be used'),
    onWriteFailed: ({ message }) => logger.error({ reason: message }, 'the routes cannot be saved'),
  };
}
