import { BmsError, inference, models, type meshService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import type { BmsClient } from '@bms/sdk';
import { createClient, type Channel } from '@bms/transport';

type MeshStatus = meshService.GetMeshStatusResponse;

/** How a mesh stands while it comes up. */
export type MeshReadiness =
  | { readonly kind: 'ready' }
  /** What people wait for, in words. */
  | { readonly kind: 'waiting'; readonly missing: string }
  /** Ready but for versions that cannot be loaded, each with its reason. */
  | { readonly kind: 'ready-without'; readonly failures: readonly string[] };

const POLL_MS = 50;
const ROUTER_ANSWER_MS = 2_000;

/**
 * Asks until the registry says of every published version that it is ready, or why it will not be, and the router answers for
 * those that are ready; or until the bound has passed.
 */
export async function waitUntilReady(
  client: BmsClient,
  router: string,
  workers: number,
  boundMs: number,
  signal: AbortSignal,
): Promise<MeshReadiness> {
  const channel = new GrpcChannel(router);
  const endMs = performance.now() + boundMs;
  try {
    for (;;) {
      const readiness = await lookOnce(client, channel, workers);
      if (readiness.kind !== 'waiting' || performance.now() > endMs || signal.aborted) return readiness;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    channel.close();
  }
}

async function lookOnce(client: BmsClient, router: Channel, workers: number): Promise<MeshReadiness> {
  try {
    const status = await client.mesh.getMeshStatus({ tenant: client.tenant });
    const readiness = readinessOf(status, workers);
    if (readiness.kind === 'waiting') return readiness;
    return (await routerServes(router, status)) ?? readiness;
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
    if (!ready) return { kind: 'waiting', missing: `the router does not serve ${ref.model}@${ref.version} yet` };
  }
  return undefined;
}

/** Pure: how a status reads. */
export function readinessOf(status: MeshStatus, workers: number): MeshReadiness {
  const attached = status.workers.filter((worker) => worker.attached);
  if (attached.length < workers) {
    return { kind: 'waiting', missing: `${workers - attached.length} of ${workers} workers have not attached` };
  }
  if (status.routers.length === 0) return { kind: 'waiting', missing: 'the router has not asked for the routes yet' };
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
