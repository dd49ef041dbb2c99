import type { VersionId } from '@bms/contracts';
import { isComingUp, type ReplicaPhase } from './replica-phase';
import type { WantedVersion } from './wanted-version';

/** What is present of one version. */
export interface PresentReplica {
  readonly fingerprint: string;
  readonly phase: ReplicaPhase;
}

/**
 * - `drop`: take the version off: drain it, or give its load up, or forget that it failed
 * - `load`: bring the version up, for the first time or again
 * - `wait`: nothing to do before that time (milliseconds since 1970)
 * - `rest`: nothing to do before something changes
 */
export type Action =
  | { readonly kind: 'drop'; readonly id: VersionId }
  | { readonly kind: 'load'; readonly wanted: WantedVersion }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'rest' };

/** How many versions load side by side. */
export const LOADS_AT_ONCE = 2;

/**
 * The one next step from what is present to what is desired. Pure. What goes away goes first, so that its memory is
 * free; a version whose files or settings changed goes away and comes again.
 * @param isSuspect versions that are loaded alone and last: should the process die again, it is clear of which one
 */
export function nextAction(
  desired: ReadonlyMap<VersionId, WantedVersion>,
  present: ReadonlyMap<VersionId, PresentReplica>,
  nowMs: number,
  isSuspect: (wanted: WantedVersion) => boolean,
): Action {
  for (const [id, { phase, fingerprint }] of present) {
    if (phase.kind !== 'draining' && desired.get(id)?.fingerprint !== fingerprint) return { kind: 'drop', id };
  }
  let untilMs = Infinity;
  const due: WantedVersion[] = [];
  for (const [id, wanted] of desired) {
    const phase = present.get(id)?.phase;
    if (phase === undefined) due.push(wanted);
    else if (phase.kind === 'failed' && phase.retryAtMs !== undefined) {
      if (phase.retryAtMs <= nowMs) due.push(wanted);
      else untilMs = Math.min(untilMs, phase.retryAtMs);
    }
  }
  const comingUp = [...present].flatMap(([id, { phase }]) => (isComingUp(phase) ? (desired.get(id) ?? []) : []));
  const wanted = due.find((version) => !isSuspect(version)) ?? due[0];
  if (wanted !== undefined && mayLoad(wanted, comingUp, isSuspect)) return { kind: 'load', wanted };
  return untilMs === Infinity ? { kind: 'rest' } : { kind: 'wait', untilMs };
}

function mayLoad(
  wanted: WantedVersion,
  comingUp: readonly WantedVersion[],
  isSuspect: (wanted: WantedVersion) => boolean,
): boolean {
  if (isSuspect(wanted)) return comingUp.length === 0;
  return comingUp.length < LOADS_AT_ONCE && !comingUp.some(isSuspect);
}
