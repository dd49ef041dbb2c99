import { BmsError, CallMetadata, inference, Reason, type VersionId } from '@bms/contracts';
import { ejectionAfter, Ewma, type Ejection, type Replica, type ReplicaEvent, type WorkerLoad } from '@bms/balancing';
import { Metadata, pathOf, type Bytes, type CancelSignal, type Channel } from '@bms/transport';
import type { WorkerEntry } from '../catalog/route-table';
import type { Clock } from '../clock';

const { GRPCInferenceServiceDefinition: SERVICE } = inference;
export const MODEL_INFER_PATH = pathOf(SERVICE, SERVICE.methods.modelInfer);

/**
 * The first answers of a replica take long, since code is compiled and caches are filled by them, and say little about the next.
 * Counted, they would keep calls away from a worker that has just come back, and so from becoming fast.
 */
const WARM_UP_ANSWERS = 10;

/** The link that a replica is called over. */
export interface ReplicaLink {
  readonly worker: WorkerEntry;
  readonly channel: Channel;
  readonly clock: Clock;
  readonly load: WorkerLoad;
  begin(): void;
  end(): void;
  verdictChanged(replica: FleetReplica): void;
}

/** What is sent beside a request's bytes. */
export interface ReplicaCall {
  readonly body: Bytes;
  readonly requestId: string;
  readonly tenant: string;
  /** Milliseconds since 1970. */
  readonly deadlineMs: number;
  readonly signal: CancelSignal;
}

export interface ReplicaAnswer {
  readonly body: Bytes;
  readonly trailers: Metadata;
}

/** One version on one incarnation of a worker: sends calls there and learns from how they end. */
export class FleetReplica implements Replica {
  readonly latencyMs = new Ewma();
  readonly load: WorkerLoad;
  private answers = 0;

  constructor(
    private readonly link: ReplicaLink,
    readonly version: VersionId,
    private verdict: Ejection,
  ) {
    this.load = link.load;
  }

  get ejection(): Ejection {
    return this.verdict;
  }

  get worker(): WorkerEntry {
    return this.link.worker;
  }

  /** Sends the bytes as they are. Throws what the worker answered or the connection failed with. */
  async infer(call: ReplicaCall): Promise<ReplicaAnswer> {
    const { link } = this;
    const startedAtMs = link.clock.monotonicMs();
    let trailers = new Metadata();
    let failure: unknown;
    link.begin();
    try {
      const body = await link.channel.unary(MODEL_INFER_PATH, call.body, {
        metadata: this.metadataOf(call),
        deadlineMs: call.deadlineMs,
        signal: call.signal,
        onTrailers: (received) => (trailers = received),
      });
      return { body, trailers };
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      link.end();
      this.learn(failure, trailers, startedAtMs);
    }
  }

  connectionChanged(event: 'connection-ready' | 'connection-lost'): void {
    this.verdict = ejectionAfter(this.verdict, event, this.link.clock.monotonicMs());
  }

  private metadataOf({ requestId, tenant }: ReplicaCall): Metadata {
    const { workerId, incarnation } = this.worker;
    return new Metadata()
      .set(CallMetadata.versionId, this.version)
      .set(CallMetadata.workerId, workerId)
      .set(CallMetadata.incarnation, incarnation)
      .set(CallMetadata.requestId, requestId)
      .set(CallMetadata.tenant, tenant);
  }

  private learn(failure: unknown, trailers: Metadata, startedAtMs: number): void {
    const nowMs = this.link.clock.monotonicMs();
    const depth = trailers.get(CallMetadata.queueDepth);
    if (depth !== undefined && /^[0-9]{1,9}$/.test(depth)) this.load.report(Number(depth), nowMs);
    if (failure === undefined) {
      if (this.answers++ >= WARM_UP_ANSWERS) this.latencyMs.observe(nowMs - startedAtMs, nowMs);
    }
    // A call that was given up says that the replica is at least that slow.
    else if (BmsError.is(failure, Reason.DEADLINE_EXCEEDED, Reason.CANCELLED)) {
      this.latencyMs.observeAtLeast(nowMs - startedAtMs, nowMs);
    }
    const event = failure === undefined ? 'answered' : healthEventOf(failure);
    if (event !== undefined) this.settleVerdict(event, nowMs);
  }

  private settleVerdict(event: ReplicaEvent, nowMs: number): void {
    const before = this.verdict;
    this.verdict = ejectionAfter(before, event, nowMs);
    // Failures that eject nobody yet change nobody's picks.
    const stays = before.kind === 'in' && this.verdict.kind === 'in';
    if (this.verdict !== before && !stays) this.link.verdictChanged(this);
  }
}

/**
 * What a failed call says about its replica's health; undefined: nothing. A model that fails on an input is not among the
 * failures, since a caller could then eject replicas with bad input; a lost connection is told by the channel itself.
 */
function healthEventOf(failure: unknown): ReplicaEvent | undefined {
  const { reason } = BmsError.from(failure);
  switch (reason) {
    case Reason.INTERNAL:
    case Reason.UNSPECIFIED:
      return 'failed';
    case Reason.INVALID_REQUEST:
    case Reason.INVALID_TENSOR:
    case Reason.MODEL_FAILED:
      return 'answered';
    default:
      return undefined;
  }
}
