import { models, versionId, type VersionId, type workerService } from '@bms/contracts';

/** A version that this worker shall hold, with all that loading it takes. */
export interface WantedVersion {
  readonly id: VersionId;
  readonly ref: models.VersionRef;
  readonly artifact: models.Artifact;
  readonly signature: models.Signature;
  readonly config: models.VersionConfig;
  /** Equal where a replica of the one serves as the other: the files and what loading depends on. */
  readonly fingerprint: string;
}

/** Reads a desired set's entry; undefined when it lacks what loading needs, which no registry sends. */
export function wantedVersion(desired: workerService.DesiredVersion): WantedVersion | undefined {
  const { ref, artifact, signature } = desired;
  if (ref === undefined || artifact === undefined || signature === undefined) return undefined;
  const config = desired.config ?? models.VersionConfig.create({});
  const { intraOpThreads, graphOptimization, device, fallback, providerOptions, executors, batching } = config;
  const onDevice = device === '' && fallback === '' ? [] : [device, fallback];
  const options = Object.keys(providerOptions).length === 0 ? [] : [JSON.stringify(providerOptions)];
  const runs = executors === 0 && isDefault(batching) ? [] : [JSON.stringify({ executors, batching })];
  const fingerprint = [artifact.digest, intraOpThreads, graphOptimization, ...onDevice, ...options, ...runs].join(' ');
  return { id: versionId(ref.tenant, ref.model, ref.version), ref, artifact, signature, config, fingerprint };
}

function isDefault(batching: models.BatchingConfig | undefined): boolean {
  if (batching === undefined) return true;
  const { mode, maxRows, preferredRows, maxDelayMs, maxQueueMs } = batching;
  return mode === '' && maxRows + preferredRows.length + maxDelayMs + maxQueueMs === 0;
}
