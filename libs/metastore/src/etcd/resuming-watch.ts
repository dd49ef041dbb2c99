import { LinkedAbort } from '@bms/transport';
import type { Clock } from '../clock';
import {
  CompactedError,
  HistoryReplacedError,
  StoreUnavailableError,
  type KeyRange,
  type Revision,
  type WatchBatch,
} from '../meta-store';
import type { AuthToken } from './auth-token';
import { callFailure, EtcdRefusedError, type Refusal } from './call-failure';
import { findCompactRevision } from './compact-revision';
import { etcdRange, firstKey } from './entry-message';
import type { HistoryGuard } from './history-guard';
import type { Member } from './member';
import type { Members } from './members';
import { pause } from './pause';
import { refusalSentence } from './refusal-sentence';
import type { UnaryCalls } from './unary-calls';
import { watchCall } from './watch-call';
import { watchBatches, WatchEndedError } from './watch-stream';

export interface WatchParts {
  readonly members: Members;
  readonly guard: HistoryGuard;
  readonly token: AuthToken;
  readonly calls: UnaryCalls;
  readonly clock: Clock;
}

/** How long etcd may take to say that a watch is set up. */
const CREATED_WITHIN_MS = 3_000;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1_000;

/** One watch, made again from where it had come to whenever its stream ends. */
export class ResumingWatch {
  /** The first revision that has not been told. */
  private next: Revision;
  private pauseMs = RETRY_MIN_MS;
  /** The token that etcd had when it last refused us: 3.4 says "permission denied" also of a token it has forgotten. */
  private refusedToken: string | undefined;

  constructor(
    private readonly parts: WatchParts,
    private readonly range: KeyRange,
    from: Revision,
  ) {
    this.next = from;
  }

  /** Ends when `signal` is aborted. Throws CompactedError, HistoryReplacedError and, when etcd refuses it, StoreUnavailableError. */
  async *batches(signal: AbortSignal): AsyncGenerator<WatchBatch, void, void> {
    while (!signal.aborted) {
      try {
        for await (const batch of this.stream(signal)) {
          this.pauseMs = RETRY_MIN_MS;
          this.refusedToken = undefined;
          this.next = batch.revision + 1n;
          yield batch;
        }
      } catch (error) {
        if (signal.aborted) return;
        await this.getOver(error);
      }
      await pause(this.parts.clock, this.pauseMs, signal);
      this.pauseMs = Math.min(RETRY_MAX_MS, 2 * this.pauseMs);
    }
  }

  /** On one member, until it breaks or that member is better left. */
  private async *stream(signal: AbortSignal): AsyncGenerator<WatchBatch, void, void> {
    const { members, guard } = this.parts;
    await this.requireHistory(signal);
    const { member, leave } = await members.place(Infinity, signal);
    const attempt = new LinkedAbort(signal, leave, member.lost);
    const giveUp = this.parts.clock.setTimer(() => {
      member.unanswered();
      attempt.abort();
    }, CREATED_WITHIN_MS);
    const messages = watchCall(member, etcdRange(this.range), this.next, attempt.signal);
    try {
      yield* watchBatches(messages, this.next, guard, giveUp);
    } catch (error) {
      if (!attempt.signal.aborted) this.takeNote(error, member);
      throw error;
    } finally {
      giveUp();
      attempt.unlink();
    }
  }

  /**
   * Whether the store has come to the revision before the next one, and still has it. etcd itself waits in silence for a start that is to
   * come; and of a start that is exactly the compacted revision, it may leave out a deletion.
   */
  private async requireHistory(signal: AbortSignal): Promise<void> {
    const { calls, guard, members } = this.parts;
    const { key, rangeEnd } = firstKey(etcdRange(this.range));
    const request = { key, rangeEnd, limit: 1n, revision: this.next - 1n, serializable: false, keysOnly: true };
    try {
      await calls.repeatable(({ kv }, options) => kv.range(request, options), signal);
    } catch (error) {
      const { known } = guard;
      if (known !== undefined && EtcdRefusedError.is(error, 'future-revision')) {
        throw new HistoryReplacedError({ clusterId: known.clusterId, revision: this.next - 1n }, known);
      }
      if (EtcdRefusedError.is(error, 'compacted')) {
        throw new CompactedError(await findCompactRevision(members, etcdRange(this.range), this.next - 1n, signal));
      }
      throw error;
    }
  }

  private takeNote(error: unknown, member: Member): void {
    if (error instanceof CompactedError || error instanceof WatchEndedError) return;
    this.parts.members.failed(member);
  }

  /**
   * What the end of a stream means. Compacted, or of a store that was replaced: whoever watches has to read anew. Refused: final.
   * A token that etcd does not know: a new one is fetched, and the watch goes on, as it does after any break. Throws what is final.
   */
  private async getOver(error: unknown): Promise<void> {
    if (error instanceof CompactedError || error instanceof HistoryReplacedError) throw error;
    if (error instanceof EtcdRefusedError) throw this.refused(error.refusal, error.message);
    if (error instanceof WatchEndedError) return this.getOverRefusal(error);
    const failure = callFailure(error);
    if (failure.kind === 'refused') throw this.refused(failure.refusal, failure.why);
    if (failure.kind === 'token') await this.renewToken();
  }

  private async getOverRefusal(error: WatchEndedError): Promise<void> {
    const { refusal } = error;
    if (refusal === undefined || refusal === 'not-sent') return;
    const { current } = this.parts.token;
    const again = current !== undefined && this.refusedToken !== current;
    if (refusal !== 'token' && !(refusal === 'permission' && again)) throw this.refused(refusal, error.reason);
    await this.renewToken();
    this.refusedToken = this.parts.token.current;
  }

  private async renewToken(): Promise<void> {
    const { token, members } = this.parts;
    const member = members.best;
    if (member !== undefined) await token.renew(member.auth, token.current).catch(() => undefined); // the next try tells
  }

  private refused(refusal: Refusal, why: string): StoreUnavailableError {
    const what = 'key' in this.range ? this.range.key : this.range.prefix;
    return new StoreUnavailableError(refusalSentence(refusal, why, { user: this.parts.token.userName, what }));
  }
}
