import { BmsError, Reason, versionId, type VersionId, type models } from '@bms/contracts';
import type { Executor } from './executor';

/** Weight of the newest run in the moving average of run times. */
const EWMA_WEIGHT = 0.2;

/**
 * A version that is loaded and can be asked. Whoever uses it holds a handle, which keeps it alive: it is closed only
 * after it was retired and the last handle was given back.
 */
export class Servable {
  readonly id: VersionId;
  private handles = 0;
  private retired = false;
  private whenUnused: () => void = () => undefined;
  private meanRunMs: number | undefined;
  /** Whether a turn of it runs now. Its executor takes one at a time, so that later requests can still overtake. */
  busy = false;
  /** Resolves when a run of it is taken to never return. */
  readonly stuck: Promise<void>;
  private sayStuck: () => void = () => undefined;

  constructor(
    readonly ref: models.VersionRef,
    readonly signature: models.Signature,
    readonly executor: Executor,
  ) {
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

  /** How long one run takes, by those so far; undefined before the first. */
  get expectedRunMs(): number | undefined {
    return this.meanRunMs;
  }

  observeRun(runMs: number): void {
    this.meanRunMs = this.meanRunMs === undefined ? runMs : this.meanRunMs + EWMA_WEIGHT * (runMs - this.meanRunMs);
  }
}

/** This worker does not hold the version (any more); another may. */
export function replicaGone(id: string, why: string): BmsError {
  return new BmsError(Reason.REPLICA_GONE, `${id} ${why}`, { facts: { version: id } });
}
