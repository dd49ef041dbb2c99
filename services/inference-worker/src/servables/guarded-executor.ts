import { isDeviceFailure } from './device-failure';
import type { DeviceHealth } from './device-health';
import { ExecutorLostError, type Executor, type LoadedModel, type RunBatch, type RunOutcome } from './executor';

/**
 * An executor on a GPU whose errors are looked at for whether they mean the end of the device. Then the model is not to
 * blame as far as its callers can see: what was on board counts as lost with the worker, so that routers send it elsewhere.
 */
export class GuardedExecutor implements Executor {
  readonly lost: Promise<string>;
  readonly ended: Promise<void>;
  private sayLost: (why: string) => void = () => undefined;

  constructor(
    private readonly inner: Executor,
    private readonly health: DeviceHealth,
  ) {
    this.lost = Promise.race([inner.lost, new Promise<string>((resolve) => (this.sayLost = resolve))]);
    this.ended = inner.ended;
  }

  async load(signal: AbortSignal): Promise<LoadedModel> {
    try {
      return await this.inner.load(signal);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (isDeviceFailure(message)) this.health.fail(message);
      throw error;
    }
  }

  async run(batches: readonly RunBatch[]): Promise<readonly RunOutcome[]> {
    const { failure } = this.health;
    if (failure !== undefined) throw new ExecutorLostError(`its device failed: ${failure}`, false);
    const outcomes = await this.inner.run(batches);
    const fatal = outcomes.find((outcome) => outcome.kind === 'failed' && isDeviceFailure(outcome.message));
    if (fatal?.kind !== 'failed') return outcomes;
    const why = `its device failed: ${fatal.message}`;
    this.health.fail(fatal.message);
    this.sayLost(why);
    throw new ExecutorLostError(why, true);
  }

  async close(): Promise<boolean> {
    return this.inner.close();
  }
}
