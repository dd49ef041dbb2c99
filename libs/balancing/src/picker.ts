import { onProbation, type Ejection } from './ejection';
import type { Ewma } from './ewma';
import type { WorkerLoad } from './worker-load';

/** More than this share of the replicas is out: the verdicts are doubted, and every connected replica counts. */
const PANIC_SHARE = 0.5;
/** Average latencies that differ by less than this factor are taken as the same. */
const ALIKE_FACTOR = 2;

/** What a replica is picked by. */
export interface Replica {
  readonly load: Pick<WorkerLoad, 'inFlight' | 'read'>;
  readonly latencyMs: Pick<Ewma, 'read'>;
  readonly ejection: Ejection;
}

/**
 * What to do with a call.
 * - `replica`: send it there
 * - `wait`: none can take it now, and one may soon
 * - `exhausted`: the call has tried every replica that could take it
 * - `shed`: every replica has as many calls as it may have
 * - `fail`: there is no replica, and none is coming back
 */
export type Verdict<R> =
  | { readonly kind: 'replica'; readonly replica: R }
  | { readonly kind: 'wait' | 'exhausted' | 'shed' | 'fail' };

/** A set, or the keys of a map. */
export type Tried<R> = Pick<ReadonlySet<R>, 'has' | 'size'>;

export interface PickQuery<R> {
  readonly nowMs: number;
  /** Uniform, 0 ≤ x < 1. */
  readonly random: () => number;
  /** Those that are not picked again for this call. */
  readonly tried: Tried<R>;
}

/**
 * Picks among the replicas of one version: the less loaded of two that are drawn at random, where the load is
 * (calls in flight + queue reported) × average latency, as far as latencies differ. It is a snapshot of who counts: made anew when a replica comes,
 * goes or gets another verdict, and when {@link validUntilMs} has passed. See Mitzenmacher, "The Power of Two Choices in
 * Randomized Load Balancing" (2001).
 */
export class Picker<R extends Replica> {
  /** When an ejection runs out, so that another picker is due; Infinity: only an event makes it stale. */
  readonly validUntilMs: number;
  private readonly counted: readonly R[];
  private readonly probing: ReadonlySet<R>;
  private readonly whenNone: 'wait' | 'fail';

  constructor(
    replicas: readonly R[],
    nowMs: number,
    /** The most calls that one worker may have in flight from here. */
    private readonly inFlightLimit = Infinity,
  ) {
    const connected = replicas.filter(({ ejection }) => ejection.kind !== 'disconnected');
    const probing = connected.filter(({ ejection }) => onProbation(ejection, nowMs));
    const trusted = connected.filter(({ ejection }) => ejection.kind === 'in' || onProbation(ejection, nowMs));
    const panic = replicas.length - trusted.length > replicas.length * PANIC_SHARE;
    this.counted = panic ? connected : trusted;
    this.probing = new Set(probing);
    this.whenNone = replicas.length > 0 ? 'wait' : 'fail';
    this.validUntilMs = Math.min(
      ...connected.map(({ ejection }) =>
        ejection.kind === 'ejected' && ejection.untilMs > nowMs ? ejection.untilMs : Infinity,
      ),
    );
  }

  pick(query: PickQuery<R>): Verdict<R> {
    if (this.counted.length === 0) return { kind: this.whenNone };
    const simple = query.tried.size === 0 && this.probing.size === 0;
    const candidates = simple ? this.counted : this.candidatesOf(query.tried);
    if (candidates.length === 0) return { kind: 'exhausted' };
    const replica = this.lessLoadedOfTwo(candidates, query);
    if (replica.load.inFlight < this.inFlightLimit) return { kind: 'replica', replica };
    const withRoom = candidates.filter(({ load }) => load.inFlight < this.inFlightLimit);
    return withRoom.length === 0
      ? { kind: 'shed' }
      : { kind: 'replica', replica: this.lessLoadedOfTwo(withRoom, query) };
  }

  /** A replica on probation gets one call at a time, unless there is no other. */
  private candidatesOf(tried: Tried<R>): readonly R[] {
    const untried = this.counted.filter((replica) => !tried.has(replica));
    const calm = untried.filter((replica) => !this.probing.has(replica) || replica.load.inFlight === 0);
    return calm.length > 0 ? calm : untried;
  }

  private lessLoadedOfTwo(candidates: readonly R[], { random, nowMs }: PickQuery<R>): R {
    const count = candidates.length;
    const at = Math.floor(random() * count);
    const one = candidates[at] as R;
    if (count === 1) return one;
    const other = candidates[(at + 1 + Math.floor(random() * (count - 1))) % count] as R;
    return isCheaper(other, one, nowMs) ? other : one;
  }
}

/**
 * Latencies count only where they differ by more than noise: while few calls are in flight, the least difference would otherwise
 * send every one of them to the same replica. A replica whose latency is not known yet gets its share and no more.
 */
function isCheaper(one: Replica, other: Replica, nowMs: number): boolean {
  const oneLoad = one.load.read(nowMs) + 1;
  const otherLoad = other.load.read(nowMs) + 1;
  const oneLatency = one.latencyMs.read(nowMs);
  const otherLatency = other.latencyMs.read(nowMs);
  if (oneLatency === undefined || otherLatency === undefined || areAlike(oneLatency, otherLatency)) {
    return oneLoad < otherLoad;
  }
  return oneLoad * oneLatency < otherLoad * otherLatency;
}

function areAlike(one: number, other: number): boolean {
  return one < other * ALIKE_FACTOR && other < one * ALIKE_FACTOR;
}
