import { join, resolve } from 'node:path';
import { ArtifactCache } from '@bms/artifacts';
import type { ServiceToken } from '@bms/auth';
import type { Logger, Registry } from '@bms/telemetry';
import { systemClock as clock } from './clock';
import type { WorkerConfig } from './config';
import type { WorkerDevice } from './devices/worker-device';
import { BlobDownloader } from './lifecycle/blob-downloader';
import { DelayedRestart } from './lifecycle/delayed-restart';
import { LoadJournal } from './lifecycle/load-journal';
import { MemoryLedger } from './lifecycle/memory-ledger';
import { Reconciler } from './lifecycle/reconciler';
import { systemMemory } from './lifecycle/system-memory';
import { VersionLoader } from './lifecycle/version-loader';
import { PredictStack } from './predict.stack';
import { dialRegistry } from './presence/dial-registry';
import { runMetrics } from './run-metrics';
import { isCpu } from './servables/device';
import { DevicePermits } from './servables/device-permits';
import type { ExecutorFactory } from './servables/executor';
import { GuardedExecutor } from './servables/guarded-executor';
import { PredictQueue } from './servables/predict-queue';
import { ServableSet } from './servables/servable-set';

// The inner half of compose.ts: all that a worker does for its versions, without its ports and the registry's stream.

/** What holds and runs versions. */
export interface VersionHost {
  readonly device: WorkerDevice;
  readonly servables: ServableSet;
  readonly predictions: PredictStack;
  readonly queue: PredictQueue;
  readonly reconciler: Reconciler;
  readonly journal: LoadJournal;
  readonly ledger: MemoryLedger;
  readonly restart: DelayedRestart;
}

export function buildVersionHost(
  config: WorkerConfig,
  given: {
    readonly token: ServiceToken;
    readonly device: WorkerDevice;
    readonly makeExecutor: ExecutorFactory;
    readonly requestStop: (reason: string) => void;
    readonly logger: Logger;
    readonly metrics: Registry;
  },
): VersionHost {
  const { token, device, makeExecutor, requestStop, logger, metrics } = given;
  const servables = new ServableSet();
  const permits = new DevicePermits(config.concurrentRuns);
  const limits = { requests: config.queueRequests, bytes: config.queueBytes };
  const queue = new PredictQueue(limits, config.concurrentRuns, clock);
  const journal = new LoadJournal(join(config.state, 'journal'), config.previousExit);
  // Whatever makes this process end by itself, the version that is being loaded then is not to blame.
  process.once('exit', () => journal.close());
  const ledger = new MemoryLedger(systemMemory(config.memoryLimit), config.fragmentedPercent / 100);
  const downloader = new BlobDownloader({ addresses: config.registry, dial: dialRegistry, token, clock });
  const loader = new VersionLoader({
    artifacts: new ArtifactCache({
      folder: config.cache,
      limitBytes: config.cacheLimit,
      fetch: (sha256, offsetBytes, signal) => downloader.download(sha256, offsetBytes, signal),
      now: () => clock.now(),
    }),
    makeExecutor: (spec) =>
      isCpu(spec.device) ? makeExecutor(spec) : new GuardedExecutor(makeExecutor(spec), device.health),
    journal,
    ledger,
    deviceLedger: device.ledger,
    onFallback: (version, why) => logger.warn({ version, why }, 'version is loaded on the CPU instead'),
    onAlone: (version, why) => logger.warn({ version, why }, 'its requests run one by one'),
    clock,
    device: device.device,
    intraOpThreads: config.intraOpThreads,
    executors: config.executors,
    concurrentRuns: config.concurrentRuns,
  });
  const restart = new DelayedRestart({
    clock,
    random: Math.random,
    restart: (reason) => {
      logger.warn({ reason }, 'asking to be started afresh');
      requestStop(reason);
    },
  });
  const reconciler = new Reconciler({
    loader,
    servables,
    journal,
    ledger,
    clock,
    localFolders: [resolve(config.cache), resolve(config.state), config.cache, config.state],
    deviceFailed: () => device.health.failure !== undefined,
    requestRestart: (reason) => restart.request(reason),
    say: ({ version, phase, detail }) => {
      if (phase === 'failed') logger.error({ version, reason: detail }, 'version failed');
      else logger.info({ version, ...(detail === undefined ? {} : { unwarmed: detail }) }, `version ${phase}`);
    },
  });
  const predictions = new PredictStack(
    queue,
    permits,
    clock,
    runMetrics(metrics, () => servables.all()),
  );
  return { device, servables, predictions, queue, reconciler, journal, ledger, restart };
}
