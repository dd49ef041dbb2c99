import { hostname } from 'node:os';
import type { workerService } from '@bms/contracts';
import { ownVersion } from '@bms/lifecycle';
import type { WorkerConfig } from './config';
import type { WorkerDevice } from './devices/worker-device';
import type { WorkerIdentity } from './presence/worker-identity';

export interface HelloParts {
  readonly config: Pick<WorkerConfig, 'concurrentRuns'>;
  readonly self: WorkerIdentity;
  readonly device: WorkerDevice['facts'];
  /** As others reach them. */
  readonly addresses: { readonly grpc: string; readonly operations: string };
  readonly nowMs: number;
}

/** What the worker tells a registry of itself, once a stream. */
export function workerHello({ config, self, device, addresses, nowMs }: HelloParts): workerService.WorkerHello {
  return {
    ...self,
    address: addresses.grpc,
    operationsAddress: addresses.operations,
    host: hostname(),
    pid: BigInt(process.pid),
    device: { ...device, concurrentRuns: config.concurrentRuns },
    startedAtMs: BigInt(nowMs),
    bmsVersion: ownVersion(__dirname),
  };
}
