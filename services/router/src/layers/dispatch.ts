import { assertNever, BmsError, Reason } from '@bms/contracts';
import type { Handler } from '@bms/transport';
import type { Catalog } from '../catalog/catalog';
import { notReady, requirePublished } from '../catalog/resolve-version';
import type { VersionEntry } from '../catalog/route-table';
import type { Clock } from '../clock';
import type { Fleet } from '../fleet/fleet';
import type { FleetReplica } from '../fleet/fleet-replica';
import { encodedBody, resolvedVersion, type InferCall, type InferResult } from '../infer-call';
import { stepAfter } from './retry-rule';

/** A call is sent at most this often. */
export const ATTEMPTS_MAX = 5;
/** A call that may have been on board when a worker died is sent again at most this often. */
const REPLAYS_MAX = 1;
/** How soon to ask again where every replica has all the calls that it may have. */
const SHED_RETRY_MS = 100;

export interface DispatchOptions {
  readonly catalog: Pick<Catalog, 'current'>;
  readonly fleet: Pick<Fleet, 'pick' | 'nextChange' | 'lostLately'>;
  readonly clock: Clock;
  /** How long a call waits, in all, for a replica that may come back. */
  readonly waitLimitMs: number;
  readonly observer: DispatchObserver;
}

export interface DispatchObserver {
  /** @param failure undefined: answered */
  attempt(replica: FleetReplica, failure: BmsError | undefined): void;
}

/**
 * Sends the call to a replica; on failure decides: another one, once more, or no more. Throws what the last attempt
 * ended with, NOT_READY, OVERLOADED, DEADLINE_EXCEEDED and CANCELLED.
 */
export function dispatch(options: DispatchOptions): Handler<InferCall, InferResult> {
  return (call) => new Dispatch(options, call).run();
}

/** One call's way to its answer. */
class Dispatch {
  /** Replicas that failed this call, each with the entry of the version by which it was sent there and the reason. */
  private readonly tried = new Map<FleetReplica, { readonly version: VersionEntry; readonly reason: Reason }>();
  private readonly waitUntilMs: number;
  private replays = 0;
  private last: BmsError | undefined;

  constructor(
    private readonly options: DispatchOptions,
    private readonly call: InferCall,
  ) {
    this.waitUntilMs = options.clock.monotonicMs() + options.waitLimitMs;
  }

  async run(): Promise<InferResult> {
    for (;;) {
      this.throwIfOver();
      const version = this.currentVersion();
      const verdict = this.options.fleet.pick(version, this.tried);
      switch (verdict.kind) {
        case 'replica': {
          const result = await this.attempt(verdict.replica, version);
          if (result !== undefined) return result;
          break;
        }
        case 'exhausted':
          // They do not change by waiting: the caller shall know how they answered.
          if (this.last?.reason === Reason.OVERLOADED) throw this.last;
          await this.waitForChange(version);
          break;
        case 'wait':
          await this.waitForChange(version);
          break;
        case 'shed':
          throw new BmsError(Reason.OVERLOADED, `every worker that holds ${version.id} has all the calls it may have`, {
            retryAfterMs: SHED_RETRY_MS,
          });
        case 'fail':
          if (this.options.fleet.lostLately(version)) {
            await this.waitForChange(version);
            break;
          }
          throw notReady(version, version.notReadyReason || 'no worker holds it now');
        default:
          assertNever(verdict);
      }
    }
  }

  /** Undefined: failed, and to be tried again. */
  private async attempt(replica: FleetReplica, version: VersionEntry): Promise<InferResult | undefined> {
    const { call } = this;
    const { progress, requestId, deadlineMs, signal } = call;
    progress.attempts++;
    progress.workerId = replica.worker.workerId;
    const { tenant } = progress;
    try {
      const { body, trailers } = await replica.infer({
        body: encodedBody(call),
        requestId,
        tenant,
        deadlineMs,
        signal,
      });
      this.options.observer.attempt(replica, undefined);
      return { body, version, trailers };
    } catch (error) {
      const failure = BmsError.from(error);
      this.options.observer.attempt(replica, failure);
      this.tried.set(replica, { version, reason: failure.reason });
      this.afterFailure(failure, version);
      return undefined;
    }
  }

  /** Throws unless the call is to be tried again. */
  private afterFailure(failure: BmsError, version: VersionEntry): void {
    this.last = failure;
    this.throwIfOver();
    switch (stepAfter(failure.reason)) {
      case 'give-up':
        throw failure.reason === Reason.DEADLINE_EXCEEDED ? this.tooLate() : failure;
      case 'replay':
        if (++this.replays > REPLAYS_MAX) throw workersLost(version, failure);
        break;
      case 'elsewhere':
        break;
    }
    if (this.call.progress.attempts >= ATTEMPTS_MAX) throw this.noneTookIt(version);
  }

  private async waitForChange(version: VersionEntry): Promise<void> {
    const { clock, fleet } = this.options;
    const boundMs = Math.min(this.waitUntilMs - clock.monotonicMs(), this.call.deadlineMs - clock.nowMs());
    const change = boundMs > 0 ? await fleet.nextChange(boundMs, this.call.signal) : 'timed out';
    this.throwIfOver();
    if (change === 'timed out') throw this.noneTookIt(version);
    this.forgetWhatChanged();
  }

  /** A replica is worth another try once it has a new connection, or the routes say anew that it holds the version. */
  private forgetWhatChanged(): void {
    const now = this.currentVersion();
    for (const [replica, { version, reason }] of this.tried) {
      const reconnected = isAboutConnection(reason) && replica.ejection.kind !== 'disconnected';
      if (reconnected || version !== now) this.tried.delete(replica);
    }
  }

  /** The routes may have changed since the call was resolved: what they say now counts. */
  private currentVersion(): VersionEntry {
    const resolved = resolvedVersion(this.call);
    const version = this.options.catalog.current?.versionLike(resolved);
    if (version === undefined) {
      throw new BmsError(Reason.VERSION_NOT_FOUND, `version ${resolved.id} was deleted meanwhile`);
    }
    requirePublished(version);
    return version;
  }

  private throwIfOver(): void {
    const { call, options } = this;
    if (call.deadlineMs <= options.clock.nowMs()) throw this.tooLate();
    if (call.signal.aborted) {
      throw new BmsError(Reason.CANCELLED, 'the caller gave up', { cause: call.signal.reason });
    }
  }

  private tooLate(): BmsError {
    const { attempts } = this.call.progress;
    const why = attempts === 0 ? 'no replica could take the request' : 'the request was not answered';
    return new BmsError(Reason.DEADLINE_EXCEEDED, `${why} before its deadline`, { cause: this.last });
  }

  /** What the attempts failed with is about workers, whom callers do not know: they are told what it means for them. */
  private noneTookIt(version: VersionEntry): BmsError {
    if (this.last?.reason === Reason.OVERLOADED) return this.last;
    const { attempts } = this.call.progress;
    const unreachable =
      attempts === 0 ? 'no worker that holds it is connected' : `no worker took the request in ${attempts} attempts`;
    return notReady(version, version.notReadyReason || unreachable, this.last);
  }
}

function isAboutConnection(reason: Reason): boolean {
  return reason === Reason.WORKER_LOST || reason === Reason.CONNECTION_FAILED;
}

function workersLost(version: VersionEntry, cause: BmsError): BmsError {
  return new BmsError(
    Reason.WORKER_LOST,
    `two workers were lost while this request to ${version.id} was on them: it is not tried again`,
    { cause },
  );
}
