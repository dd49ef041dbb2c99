import { assertNever } from '@bms/contracts';

/** So many failures in a row eject a replica. */
export const FAILURES_TO_EJECT = 3;
/** The first ejection lasts this long, each further one twice as long as the one before … */
export const EJECTION_MS = 1_000;
/** … up to this. A replica that stayed in for this long starts at the first duration again. */
export const EJECTION_MAX_MS = 60_000;

/**
 * Whether a replica is picked.
 * - `in`: yes
 * - `ejected`: not before `untilMs`; then it is on probation: the next answer takes it in, the next failure ejects it anew
 * - `disconnected`: its connection was lost or is not made yet; comes in as soon as it is ready
 */
export type Ejection =
  | { readonly kind: 'in'; readonly failures: number; readonly history: EjectionHistory }
  | { readonly kind: 'ejected'; readonly untilMs: number; readonly history: EjectionHistory }
  | { readonly kind: 'disconnected'; readonly history: EjectionHistory };

export interface EjectionHistory {
  /** Ejections for failures, each soon after the one before. */
  readonly ejections: number;
  /** When the last of them ended. */
  readonly endedAtMs: number;
}

/** What was seen of a replica. Refusals that say nothing about its health are not among it. */
export type ReplicaEvent = 'answered' | 'failed' | 'connection-lost' | 'connection-ready';

const NEVER: EjectionHistory = { ejections: 0, endedAtMs: -Infinity };

/** A new replica whose connection is ready. */
export const IN: Ejection = { kind: 'in', failures: 0, history: NEVER };
/** A new replica whose connection is not ready yet. */
export const DISCONNECTED: Ejection = { kind: 'disconnected', history: NEVER };

/** The verdict after an event; the same object when nothing changes. */
export function ejectionAfter(before: Ejection, event: ReplicaEvent, nowMs: number): Ejection {
  switch (event) {
    case 'connection-lost':
      return before.kind === 'disconnected' ? before : { kind: 'disconnected', history: before.history };
    case 'connection-ready':
      return before.kind === 'disconnected' ? { kind: 'in', failures: 0, history: before.history } : before;
    case 'answered':
      return afterAnswer(before, nowMs);
    case 'failed':
      return afterFailure(before, nowMs);
    default:
      return assertNever(event);
  }
}

/** Whether an ejection has run out, so that the replica is tried again. */
export function onProbation(ejection: Ejection, nowMs: number): boolean {
  return ejection.kind === 'ejected' && nowMs >= ejection.untilMs;
}

function afterAnswer(before: Ejection, nowMs: number): Ejection {
  // An answer to what was sent before the ejection is no reason to end it early.
  if (onProbation(before, nowMs)) return { kind: 'in', failures: 0, history: { ...before.history, endedAtMs: nowMs } };
  if (before.kind === 'in' && before.failures > 0) return { ...before, failures: 0 };
  return before;
}

function afterFailure(before: Ejection, nowMs: number): Ejection {
  switch (before.kind) {
    case 'in':
      if (before.failures + 1 < FAILURES_TO_EJECT) return { ...before, failures: before.failures + 1 };
      return nowMs - before.history.endedAtMs > EJECTION_MAX_MS
        ? eject(0, nowMs)
        : eject(before.history.ejections, nowMs);
    case 'ejected':
      return onProbation(before, nowMs) ? eject(before.history.ejections, nowMs) : before;
    case 'disconnected':
      return before;
    default:
      return assertNever(before);
  }
}

function eject(ejectionsBefore: number, nowMs: number): Ejection {
  const untilMs = nowMs + Math.min(EJECTION_MAX_MS, EJECTION_MS * 2 ** ejectionsBefore);
  return { kind: 'ejected', untilMs, history: { ejections: ejectionsBefore + 1, endedAtMs: untilMs } };
}
