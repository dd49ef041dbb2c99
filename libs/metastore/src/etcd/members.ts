import type { Clock } from '../clock';
import { HistoryReplacedError, StoreUnavailableError } from '../meta-store';
import type { Member } from './member';
import { pause } from './pause';

/** A usable member, and a signal that is aborted when it is better left for another one. */
export interface Place {
  readonly member: Member;
  readonly leave: AbortSignal;
}

/** How long a member that failed is not moved to, as long as others have not. */
const AVOIDED_MS = 5_000;

/**
 * Which of the endpoints is asked. One is stayed with until it fails; then the one is next that failed longest ago. Streams are told to move
 * along.
 */
export class Members {
  readonly all: readonly Member[];
  private readonly failedAtMs = new Map<Member, number>();
  private readonly leaving = new Map<Member, AbortController>();
  private readonly waiting = new Set<() => void>();
  private readonly listeners = new Set<(member: Member) => void>();
  private closed = false;

  /** @param make given the two callbacks that each member needs */
  constructor(
    private readonly clock: Clock,
    make: (onChange: (member: Member) => void, onFailed: (member: Member) => void) => readonly Member[],
  ) {
    this.all = make(
      (member) => {
        for (const listener of this.listeners) listener(member);
        this.ring();
      },
      (member) => this.failed(member),
    );
  }

  /** Calls `listener` after each change of a member, and now with each. */
  onChange(listener: (member: Member) => void): void {
    this.listeners.add(listener);
    for (const member of this.all) listener(member);
  }

  /** The best one now, if one is usable. */
  get best(): Member | undefined {
    return this.usable[0];
  }

  /** All that can be used now, the best first. */
  get usable(): Member[] {
    const failedAt = (member: Member): number => this.failedAtMs.get(member) ?? -Infinity;
    return this.all
      .filter(({ state }) => state.kind === 'usable')
      .sort((a, b) => (failedAt(a) === failedAt(b) ? 0 : failedAt(a) - failedAt(b)));
  }

  /**
   * Waits until one is usable, at most until `untilMs` on the clock. Throws StoreUnavailableError,
   * HistoryReplacedError at once where all there is holds other data, and the signal's reason.
   */
  async place(untilMs: number, signal?: AbortSignal): Promise<Place> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.closed) throw new StoreUnavailableError('the store is closed');
      const member = this.best;
      if (member !== undefined) return { member, leave: this.leaveOf(member).signal };
      const refused = this.refusal();
      if (refused instanceof HistoryReplacedError) throw refused;
      const leftMs = untilMs - this.clock.monotonicMs();
      if (leftMs <= 0) throw new StoreUnavailableError(refused?.message ?? this.whyNone());
      await this.change(leftMs, signal);
    }
  }

  /** Its calls are better sent elsewhere; streams on it move, where there is an elsewhere. */
  failed(member: Member): void {
    const nowMs = this.clock.monotonicMs();
    this.failedAtMs.set(member, nowMs);
    const elsewhere = this.usable.some(
      (other) => other !== member && nowMs - (this.failedAtMs.get(other) ?? -Infinity) > AVOIDED_MS,
    );
    if (elsewhere) {
      this.leaving.get(member)?.abort();
      this.leaving.delete(member);
    }
    this.ring();
  }

  /** Why no member can be used, as far as they answer at all. */
  refusal(): Error | undefined {
    const refused = this.all.flatMap(({ state }) => (state.kind === 'refused' ? [state.error] : []));
    const away = this.all.some(({ state }) => state.kind !== 'refused');
    // Other data at one endpoint is no reason to give up while another one may hold ours.
    return away ? refused.find((error) => !(error instanceof HistoryReplacedError)) : refused[0];
  }

  /** It answers what only a member in contact with the leader can: calls are best sent there. */
  recovered(member: Member): void {
    this.failedAtMs.delete(member);
    this.ring();
  }

  whyNone(): string {
    const each = this.all.map(({ address, state }) => (state.kind === 'away' ? `${address} (${state.why})` : address));
    return `no etcd answers at ${each.join(', ')}`;
  }

  /** Resolves at the next change of a member, after `ms` at the latest. */
  async change(ms: number, signal?: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const wake = (): void => waiting.abort();
    this.waiting.add(wake);
    signal?.addEventListener('abort', wake, { once: true });
    try {
      if (signal?.aborted !== true) await pause(this.clock, ms, waiting.signal);
    } finally {
      this.waiting.delete(wake);
      signal?.removeEventListener('abort', wake);
    }
  }

  /** From now on nothing is waited for; connections stay until {@link disconnect}. */
  close(): void {
    this.closed = true;
    this.ring();
  }

  disconnect(): void {
    for (const member of this.all) member.close();
  }

  private leaveOf(member: Member): AbortController {
    let leaving = this.leaving.get(member);
    if (leaving === undefined) this.leaving.set(member, (leaving = new AbortController()));
    return leaving;
  }

  private ring(): void {
    for (const wake of [...this.waiting]) wake();
  }
}
