/** When a peer is asked whether it lives, and how long it may take to answer. */
export interface SilenceLimits {
  /** While calls are in flight: after this long without a word in one of the two directions. */
  readonly askAfterMs: number;
  /** While none is: after this long without a word from the peer. */
  readonly askIdleAfterMs: number;
  /** Nothing at all came for this long after the question: the peer is silent. */
  readonly answerWithinMs: number;
}

/** What was seen of a connection since the last look. */
export interface Look {
  /** Counted time: where the process itself was held up, less than has passed. */
  readonly elapsedMs: number;
  /** Whether any byte came. */
  readonly heard: boolean;
  /** Whether any byte was sent. */
  readonly said: boolean;
  /** Whether calls are in flight. */
  readonly inUse: boolean;
}

/** `ask`: send a PING now; `silent`: the peer is gone, or as good as gone. */
export type SilenceVerdict = 'fine' | 'ask' | 'silent';

/**
 * Judges whether a peer still lives by whether anything comes from it, not by whether it answers in time: a peer that has
 * much to do answers late, but a byte of any answer or acknowledgement shows that it lives.
 *
 * While calls are in flight both sides ask, each also when it has said nothing itself for long: so that a peer whose own
 * question is stuck behind a large body on a slow link still hears something.
 */
export class SilenceMeter {
  private unheardMs = 0;
  private unsaidMs = 0;
  /** Since the first question that nothing came after. */
  private unansweredMs: number | undefined;

  constructor(private readonly limits: SilenceLimits) {}

  look({ elapsedMs, heard, said, inUse }: Look): SilenceVerdict {
    const { askAfterMs, askIdleAfterMs, answerWithinMs } = this.limits;
    this.unheardMs = heard ? 0 : this.unheardMs + elapsedMs;
    this.unsaidMs = said ? 0 : this.unsaidMs + elapsedMs;
    if (heard) this.unansweredMs = undefined;
    else if (this.unansweredMs !== undefined) this.unansweredMs += elapsedMs;
    const unanswered = this.unansweredMs !== undefined && this.unansweredMs >= answerWithinMs;
    if (unanswered && this.unheardMs >= askAfterMs + answerWithinMs) return 'silent';
    const due = inUse
      ? this.unsaidMs >= askAfterMs || (this.unansweredMs === undefined && this.unheardMs >= askAfterMs)
      : this.unansweredMs === undefined && this.unheardMs >= askIdleAfterMs;
    if (!due) return 'fine';
    this.unansweredMs ??= 0;
    this.unsaidMs = 0;
    return 'ask';
  }
}
