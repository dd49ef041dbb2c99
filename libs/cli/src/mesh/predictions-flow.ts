import { BmsError, inference, models, type meshService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import type { BmsClient } from '@bms/sdk';
import { createClient, type Channel } from '@bms/transport';
import { storeTrouble } from '../store-trouble';

type MeshStatus = meshService.GetMeshStatusResponse;

/** How a mesh stands while it comes up. */
export type MeshReadiness =
  | { readonly kind: 'ready' }
  /** What people wait for, in words. */
  | { readonly kind: 'waiting'; readonly missing: string }
  /** Ready but for versions that cannot be loaded, each with its reason. */
  | { readonly kind: 'ready-without'; readonly failures: readonly string[] };

/** What a mesh on this machine consists of, once it is whole. */
export interface WantedMesh {
  readonly workers: number;
  /** `host:port` of each router's gRPC. */
  readonly routers: readonly string[];
  readonly registries: number;
}

const POLL_MS = 50;
const ROUTER_ANSWER_MS = 2_000;

/**
 * Asks until the registry says of every published version that it is ready, or why it will not be, and each router answers for
 * those that are ready; or until the bound has passed. `onWaiting` is told what is missing, again and again.
 */
export async function waitUntilReady(
  client: BmsClient,
  wanted: WantedMesh,
  boundMs: number,
  signal: AbortSignal,
  onWaiting: (missing: string) => void,
): Promise<MeshReadiness> {
  const channels = wanted.routers.map((address) => new GrpcChannel(address));
  const endMs = performance.now() + boundMs;
  try {
    for (;;) {
      const readiness = await lookOnce(client, channels, wanted);
      if (readiness.kind !== 'waiting' || performance.now() > endMs || signal.aborted) return readiness;
      onWaiting(readiness.missing);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    for (const channel of channels) channel.close();
  }
}

async function lookOnce(client: BmsClient, routers: readonly Channel[], wanted: WantedMesh): Promise<MeshReadiness> {
  try {
    const status = await client.mesh.getMeshStatus({ tenant: client.tenant });
    const readiness = readinessOf(status, wanted);
    if (readiness.kind === 'waiting') return readiness;
    for (const router of routers) {
      const missing = await routerServes(router, status);
      if (missing !== undefined) return missing;
    }
    return readiness;
  } catch (error) {
    if (error instanceof BmsError) return { kind: 'waiting', missing: error.message };
    throw error;
  }
}

async function routerServes(router: Channel, status: MeshStatus): Promise<MeshReadiness | undefined> {
  const { modelReady } = createClient(inference.GRPCInferenceServiceDefinition, router);
  for (const { ref, readyReplicas } of status.versions) {
    if (ref === undefined || readyReplicas === 0) continue;
    const deadlineMs = Date.now() + ROUTER_ANSWER_MS;
    const { ready } = await modelReady({ name: ref.model, version: String(ref.version) }, { deadlineMs });
    if (!ready)
      return {
        kind: 'waiting',
        missing: `the router at ${router.address} does not serve ${ref.model}@${ref.version} yet`,
      };
  }
  return undefined;
}

/** Pure: how a status reads. */
export function readinessOf(status: MeshStatus, { workers, routers, registries }: WantedMesh): MeshReadiness {
  const trouble = storeTrouble(status.storeStatus);
  if (trouble !== undefined) return { kind: 'waiting', missing: trouble };
  const reachable = status.registries.filter((registry) => registry.reachable);
  if (reachable.length < registries && registries > 1) {
    return {
      kind: 'waiting',
      missing: `${registries - reachable.length} of ${registries} registries are not there yet`,
    };
  }
  const attached = status.workers.filter((worker) => worker.attached);
  if (attached.length < workers) {
    return { kind: 'waiting', missing: `${workers - attached.length} of ${workers} workers have not attached` };
  }
  if (status.routers.length < routers.length) {
    const missing = routers.length - status.routers.length;
    const who = routers.length === 1 ? 'the router has' : `${missing} of ${routers.length} routers have`;
    return { kind: 'waiting', missing: `${who} not asked for the routes yet` };
  }
  const published = status.versions.filter((version) => version.state === models.VersionState.PUBLISHED);
  const failures = published.flatMap((version) => failureOf(version, attached) ?? []);
  const waiting = published.filter(
    (version) => version.readyReplicas === 0 && failureOf(version, attached) === undefined,
  );
  if (waiting.length > 0) {
    return { kind: 'waiting', missing: `not ready yet: ${waiting.map((version) => nameOf(version)).join(', ')}` };
  }
  return failures.length > 0 ? { kind: 'ready-without', failures } : { kind: 'ready' };
}

/** Why a version that no worker holds ready will not become so; undefined while it still may. */
function failureOf(
  version: meshService.VersionStatus,
  workers: readonly meshService.WorkerStatus[],
): string | undefined {
  if (version.readyReplicas > 0) return undefined;
  const replicas = workers.flatMap((worker) =>
    worker.replicas.filter((replica) => replica.ref !== undefined && nameOf(replica) === nameOf(version)),
  );
  const failed = replicas.filter((replica) => replica.state === models.ReplicaState.FAILED);
  if (failed.length > 0 && failed.length === replicas.length) return `${nameOf(version)}: ${failed[0]?.reason ?? ''}`;
  return replicas.length === 0 && version.placementNote !== ''
    ? `${nameOf(version)}: ${version.placementNote}`
    : undefined;
}

function nameOf(of: { readonly ref?: models.VersionRef | undefined }): string {
  return `${of.ref?.tenant ?? ''}/${of.ref?.model ?? ''}@${of.ref?.version ?? 0n}`;
}
