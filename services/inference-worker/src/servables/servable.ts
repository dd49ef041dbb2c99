import { BmsError, Reason, versionId, type VersionId, type models } from '@bms/contracts';
import { VersionBatching } from '../batching/version-batching';
import type { Executor } from './executor';

/** How a version runs. */
export interface ServableRuns {
  /** How many turns its executor takes at once; 1 by default. */
  readonly executors?: number;
  /** By default its requests run one by one. */
  readonly batching?: VersionBatching;
}

/**
 * A version that is loaded and can be asked. Whoever uses it holds a handle, which keeps it alive: it is closed only
 * after it was retired and the last handle was given back.
 */
export class Servable {
  readonly id: VersionId;
  private handles = 0;
  private retired = false;
  private whenUnused: () => void = () => undefined;
  private running = 0;
  /** How many turns its executor takes at once. More would wait there, where later requests cannot overtake them. */
  readonly executors: number;
  readonly batching: VersionBatching;
  /** Resolves when a run of it is taken to never return. */
  readonly stuck: Promise<void>;
  private sayStuck: () => void = () => undefined;

  constructor(
    readonly ref: models.VersionRef,
    readonly signature: models.Signature,
    readonly executor: Executor,
    { executors = 1, batching = new VersionBatching() }: ServableRuns = {},
  ) {
    this.executors = executors;
    this.batching = batching;
    this.id = versionId(ref.tenant, ref.model, ref.version);
    this.stuck = new Promise((resolve) => (this.sayStuck = resolve));
  }

  /** A run of it does not return, and nobody waits for it any more. */
  declareStuck(): void {
    this.sayStuck();
  }

  /** Requests that use it now. */
  get inUse(): number {
    return this.handles;
  }

  get accepting(): boolean {
    return !this.retired;
  }

  /** Keeps it alive until the answer is called. Throws REPLICA_GONE once it is retired. */
  acquire(): () => void {
    if (this.retired) throw replicaGone(this.id, 'is being taken off this worker');
    this.handles++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.handles--;
      if (this.handles === 0) this.whenUnused();
    };
  }

  /** Takes nothing new; resolves when nobody uses it any more. */
  async retire(): Promise<void> {
    this.retired = true;
    if (this.handles === 0) return;
    await new Promise<void>((resolve) => (this.whenUnused = resolve));
  }

  /** Turns that it could take now. */
  get idleExecutors(): number {
    return Math.max(0, this.executors - this.running);
  }

  /** Whether each executor has a turn, and not each of them a second one behind it. */
  get takesFollowers(): boolean {
    return this.running >= this.executors && this.running < 2 * this.executors;
  }

  /** A turn begins; the answer says that it has ended. */
  beginTurn(): () => void {
    this.running++;
    return () => void this.running--;
  }
}

/** This worker does not hold the version (any more); another may. */
export function replicaGone(id: string, why: string): BmsError {
  return new BmsError(Reason.REPLICA_GONE, `${id} ${why}`, { facts: { version: id } });
}
