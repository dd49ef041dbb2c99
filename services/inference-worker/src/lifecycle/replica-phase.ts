import { assertNever, models } from '@bms/contracts';

/**
 * Where one version stands on this worker:
 * - `loading`: its files are fetched and its session is made
 * - `warming`: it answers warm-up requests
 * - `ready`: it answers callers; `unwarmed` says why the model refused its warm-up
 * - `draining`: takes nothing new, finishes what it has, closes; gone when that is done
 * - `failed`: cannot be loaded, or broke; tried again at `retryAtMs`, or not before its desired entry changes
 */
export type ReplicaPhase =
  | { readonly kind: 'loading' }
  | { readonly kind: 'warming' }
  | ({ readonly kind: 'ready'; readonly unwarmed: string | undefined } & Held)
  | ({ readonly kind: 'draining' } & Partial<Held>)
  | {
      readonly kind: 'failed';
      readonly reason: string;
      readonly failures: number;
      readonly retryAtMs: number | undefined;
    };

/** What a replica takes, and where it runs. */
export interface Held {
  /** Measured, of its device or, where that is not measured, of the process. */
  readonly memoryBytes: number;
  /** cpu, cuda:0, webgpu */
  readonly provider: string;
  /** On the CPU instead of the worker's device, which cannot run the model. */
  readonly fellBack: boolean;
}

/** Whether the replica takes a place among those that load side by side. */
export function isComingUp(phase: ReplicaPhase): boolean {
  return phase.kind === 'loading' || phase.kind === 'warming';
}

/** The memory that the replica was measured to hold. */
export function heldBytes(phase: ReplicaPhase): number {
  return heldOf(phase).memoryBytes;
}

/** Where the replica runs and what it takes; nothing before it is loaded. */
export function heldOf(phase: ReplicaPhase): Held {
  const { memoryBytes = 0, provider = '', fellBack = false }: Partial<Held> = 'fellBack' in phase ? phase : {};
  return { memoryBytes, provider, fellBack };
}

/** As the registry is told. */
export function replicaStatus(ref: models.VersionRef, phase: ReplicaPhase, sinceMs: number): models.ReplicaStatus {
  const { memoryBytes, provider, fellBack } = heldOf(phase);
  return models.ReplicaStatus.create({
    ref,
    state: stateOf(phase),
    sinceMs: BigInt(Math.round(sinceMs)),
    reason: phase.kind === 'failed' ? phase.reason : phase.kind === 'ready' ? (phase.unwarmed ?? '') : '',
    memoryBytes: BigInt(memoryBytes),
    provider,
    fellBack,
    unwarmed: phase.kind === 'ready' && phase.unwarmed !== undefined,
  });
}

function stateOf(phase: ReplicaPhase): models.ReplicaState {
  switch (phase.kind) {
    case 'loading':
      return models.ReplicaState.LOADING;
    case 'warming':
      return models.ReplicaState.WARMING;
    case 'ready':
      return models.ReplicaState.READY;
    case 'draining':
      return models.ReplicaState.DRAINING;
    case 'failed':
      return models.ReplicaState.FAILED;
    default:
      return assertNever(phase);
  }
}
