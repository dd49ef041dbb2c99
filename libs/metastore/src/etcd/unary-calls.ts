import type { etcd } from '@bms/contracts';
import { LinkedAbort, type CallOptions } from '@bms/transport';
import type { Clock } from '../clock';
import { HistoryReplacedError, OutcomeUnknownError, StoreUnavailableError } from '../meta-store';
import type { AuthToken } from './auth-token';
import { callFailure, EtcdRefusedError, type CallFailure } from './call-failure';
import type { HistoryGuard } from './history-guard';
import type { Member } from './member';
import { probe } from './member-status';
import type { Members } from './members';
import { pause } from './pause';

interface Answer {
  readonly header?: etcd.ResponseHeader | undefined;
}
type Send<A extends Answer> = (member: Member, options: CallOptions) => Promise<A>;

/** How long a call waits, in all, for a member that can take it, and a repeatable one for its answer. */
const CALL_BUDGET_MS = 5_000;
/** Each member's first try; its next has twice the time, since what was late may be slow. */
const FIRST_TRY_MS = 1_000;
/** With somewhere else to go, a write is given up as early: a leader's death costs its election and this, together less than 3 s. */
const WRITE_WITHIN_MS = 1_000;
/** With one endpoint, nothing is gained by giving up a write that may only be slow. */
const SOLE_WRITE_WITHIN_MS = 5_000;
const RETRY_PAUSE_MS = 50;
/** How often a call is sent again with a new token; a token may get lost twice when a second member restarts, too. */
const TOKENS_MAX = 3;

/** Calls with one answer: each with a deadline, moved to another member where that is safe. */
export class UnaryCalls {
  private readonly closing = new AbortController();
  private readonly writes = new Set<Promise<unknown>>();
  /** A write went unanswered, and nothing has shown since that writes get through. */
  private doubted = false;
  private confirming: Promise<void> | undefined;

  constructor(
    private readonly members: Members,
    private readonly guard: HistoryGuard,
    private readonly token: AuthToken,
    private readonly clock: Clock,
    private readonly probeKey: Uint8Array,
  ) {}

  /**
   * For what may be done twice: reads, and what is done at most once by its nature. Throws EtcdRefusedError,
   * StoreUnavailableError, HistoryReplacedError, the signal's reason.
   */
  async repeatable<A extends Answer>(send: Send<A>, signal?: AbortSignal): Promise<A> {
    this.requireOpen();
    const abort = new LinkedAbort(signal, this.closing.signal);
    try {
      return await this.attempt(send, true, abort.signal);
    } catch (error) {
      signal?.throwIfAborted();
      this.requireOpen();
      throw error;
    } finally {
      abort.unlink();
    }
  }

  /**
   * For writes: sent again only when it is sure that it was not carried out. Throws OutcomeUnknownError, and what {@link repeatable}
   * throws. Aborting the signal calls it off only as long as it has not been sent.
   */
  async once<A extends Answer>(send: Send<A>, signal?: AbortSignal): Promise<A> {
    this.requireOpen();
    if (this.doubted) await (this.confirming ??= this.confirm().finally(() => (this.confirming = undefined)));
    const writing = this.attempt(send, false, signal);
    this.writes.add(writing);
    try {
      return await writing;
    } finally {
      this.writes.delete(writing);
    }
  }

  /** Calls off what is only read, lets writes come to their ends, and refuses what comes after. */
  async close(): Promise<void> {
    this.closing.abort(new StoreUnavailableError('the store is closed'));
    await Promise.allSettled(this.writes);
  }

  /**
   * Waits until a linearizable read is answered. While a leader is missing, a write would be lost and cost its whole deadline; a read is sent
   * again as often as needed, and is answered as soon as there is a new leader. All are asked at once: the old leader may stand still, and
   * each of the others is as likely to hear of the new one first.
   */
  private async confirm(): Promise<void> {
    const answered = new AbortController();
    const read: Send<Answer> = ({ kv }, options) => kv.range(probe(this.probeKey, false), options);
    const reads = this.members.usable.map(async (member) => {
      await this.attempt(read, true, answered.signal, member);
      this.members.recovered(member);
    });
    try {
      await (reads.length === 0 ? this.repeatable(read) : Promise.any(reads));
    } catch (error) {
      throw error instanceof AggregateError ? error.errors[0] : error;
    } finally {
      answered.abort();
    }
    this.doubted = false;
  }

  /** @param only the one member to ask; by default whichever is the best at each try */
  private async attempt<A extends Answer>(
    send: Send<A>,
    repeatable: boolean,
    signal?: AbortSignal,
    only?: Member,
  ): Promise<A> {
    const untilMs = this.clock.monotonicMs() + CALL_BUDGET_MS;
    let tokens = 0;
    for (let tries = 0; ; tries++) {
      const member = only ?? (await this.members.place(untilMs, signal)).member;
      const [token, before] = [this.token.current, this.guard.revision];
      try {
        const withinMs = this.withinMs(repeatable, tries);
        const answer = await send(member, member.callOptions(withinMs, repeatable ? signal : undefined));
        member.answered();
        this.guard.observeLinearizable(answer.header, before);
        return answer;
      } catch (error) {
        if (error instanceof HistoryReplacedError) throw error;
        if (repeatable) signal?.throwIfAborted();
        const failure = callFailure(error);
        this.takeNote(failure, member);
        if (failure.kind === 'refused') throw new EtcdRefusedError(failure.refusal, failure.why);
        if (failure.kind === 'unanswered' && !repeatable) {
          this.doubted = true;
          throw new OutcomeUnknownError({ cause: error });
        }
        if (this.clock.monotonicMs() >= untilMs || tokens === TOKENS_MAX) {
          throw new StoreUnavailableError(`etcd at ${member.address} does not answer: ${failure.why}`, {
            cause: error,
          });
        }
        if (failure.kind === 'token') {
          tokens += 1;
          await this.renewToken(member, token);
        } else if (only !== undefined || this.members.best === member) {
          await pause(this.clock, RETRY_PAUSE_MS, signal ?? this.closing.signal);
        }
      }
    }
  }

  /** How long a try may take. */
  private withinMs(repeatable: boolean, tries: number): number {
    const members = this.members.all.length;
    if (repeatable) return FIRST_TRY_MS * 2 ** Math.floor(tries / members);
    return members > 1 ? WRITE_WITHIN_MS : SOLE_WRITE_WITHIN_MS;
  }

  private takeNote(failure: CallFailure, member: Member): void {
    if (failure.kind === 'unanswered') member.unanswered();
    if (failure.kind === 'not-sent') this.members.failed(member);
    if (failure.kind === 'refused' && failure.refusal === 'no-space') member.setAlarms(['alarm:NOSPACE']);
  }

  /** That it fails shows in the next try. */
  private async renewToken(member: Member, stale: string | undefined): Promise<void> {
    await this.token.renew(member.auth, stale).catch((error: unknown) => {
      const failure = callFailure(error);
      if (failure.kind === 'refused') throw new EtcdRefusedError(failure.refusal, failure.why);
      this.takeNote(failure, member);
    });
  }

  private requireOpen(): void {
    this.closing.signal.throwIfAborted();
  }
}
