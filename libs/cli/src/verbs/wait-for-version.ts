import { models } from '@bms/contracts';
import type { Session } from '../verb';
import { versionName } from '../version-name';
import { whileWaiting } from '../while-waiting';

/** How long a new version may take to load where nothing else is said. */
export const WAIT_TIMEOUT_MS = 120_000;
/** The server answers a little before it would be too late for its answer. */
export const ANSWER_SLACK_MS = 5_000;

/**
 * Waits until a version is ready; answers the ids of the workers that have it. Throws NOT_READY, QUARANTINED or MODEL_FAILED with the
 * reason where it is clear that it will not be.
 */
export async function readyReplicas(
  session: Session,
  ref: models.VersionRef | undefined,
  defaultTimeoutMs: number,
): Promise<readonly string[]> {
  const timeoutMs = session.options.timeoutMs ?? defaultTimeoutMs;
  const call = session.client.models.waitForVersion(
    { ref, timeoutMs: BigInt(timeoutMs) },
    { deadlineMs: session.now() + timeoutMs + ANSWER_SLACK_MS, signal: session.signal },
  );
  const { replicas } = await whileWaiting(session, `waiting for ${versionName(ref)} to become ready`, call);
  return replicas.filter(({ status }) => status?.state === models.ReplicaState.READY).map(({ workerId }) => workerId);
}
