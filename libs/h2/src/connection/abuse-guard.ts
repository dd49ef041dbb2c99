import { ErrorCode } from '../frames/error-code';
import { ConnectionError } from '../frames/h2-error';
import type { ConnectionLimits } from '../limits';
import { TokenBucket } from './token-bucket';

/** Empty DATA frames in a row that end nothing. */
const EMPTY_DATA_MAX = 1;

/** Less is not worth a WINDOW_UPDATE, unless it is all that there was. */
const SMALL_UPDATE_BYTES = 1_024;
/** One for the stream, one for the connection. */
const UPDATES_PER_ANSWER = 2;
const SMALL_UPDATES_MAX = 1_000;
const FREE_PINGS_MAX = 1_000;

/** Ends a connection whose peer keeps us busy with what is legal one by one. Each method throws ConnectionError. */
export class AbuseGuard {
  private readonly resets: TokenBucket;
  private readonly glitches: TokenBucket;
  private emptyData = 0;
  private lastPingMs = -Infinity;
  private strikes = 0;
  private freePings = 0;
  /** Small WINDOW_UPDATEs that are still owed to DATA of ours. */
  private smallUpdates = 0;

  constructor(
    private readonly limits: ConnectionLimits,
    private readonly now: () => number,
  ) {
    this.resets = new TokenBucket(limits.resets, now());
    this.glitches = new TokenBucket(limits.glitches, now());
  }

  /** A stream ended by the peer's doing: reset by it, refused, or reset by us for what it sent. */
  reset(): void {
    if (!this.resets.take(this.now())) throw calm('streams are reset or refused too often');
  }

  /** A WINDOW_UPDATE came: honest receivers send a large one now and then, or a small one for each answer that they get. */
  windowUpdate(bytes: number): void {
    if (bytes >= SMALL_UPDATE_BYTES) return;
    if (this.smallUpdates > 0) this.smallUpdates -= 1;
    else this.glitch();
  }

  /** A frame that carries nothing. */
  glitch(): void {
    if (!this.glitches.take(this.now())) throw calm('too many frames that carry nothing');
  }

  /** A DATA frame came to its end. */
  data(bytes: number, ended: boolean): void {
    if (bytes > 0 || ended) {
      this.emptyData = 0;
      return;
    }
    this.emptyData += 1;
    if (this.emptyData > EMPTY_DATA_MAX) this.glitchTen();
  }

  /** @param busy whether streams are open */
  ping(busy: boolean): void {
    // Many peers measure the link by a PING for DATA that comes in.
    if (this.freePings > 0) {
      this.freePings -= 1;
      return;
    }
    const nowMs = this.now();
    const early = nowMs - this.lastPingMs < (busy ? this.limits.busyPingEveryMs : this.limits.pingEveryMs);
    this.lastPingMs = nowMs;
    if (!early) return;
    this.strikes += 1;
    if (this.strikes >= this.limits.pingStrikes) throw calm('too many pings');
  }

  /** We have sent DATA: the peer may well answer it with a PING, and give its window back. */
  answered(): void {
    if (this.freePings < FREE_PINGS_MAX) this.freePings += 1;
    if (this.smallUpdates < SMALL_UPDATES_MAX) this.smallUpdates += UPDATES_PER_ANSWER;
  }

  /** Empty frames in a row have no honest use. */
  private glitchTen(): void {
    for (let i = 0; i < 10; i++) this.glitch();
  }
}

function calm(why: string): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, why);
}
