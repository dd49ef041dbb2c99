import { BmsError, Reason } from '@bms/contracts';
import type { Layer } from '@bms/transport';
import { encodedBody, type InferCall, type InferResult } from '../infer-call';

/** How soon to ask again where there is no room. */
const RETRY_MS = 100;

/** How many bytes of requests may be in memory at once. Whoever takes some gives as many back. */
export class ByteBudget {
  private taken = 0;

  constructor(private readonly limitBytes: number) {}

  get takenBytes(): number {
    return this.taken;
  }

  /** Throws OVERLOADED, with a retry hint, when there is no room; one request has room in any case. */
  take(bytes: number): void {
    if (this.taken > 0 && this.taken + bytes > this.limitBytes) {
      throw new BmsError(
        Reason.OVERLOADED,
        `requests of ${this.taken} bytes are in flight here, and ${bytes} more are over the limit of ${this.limitBytes}: try again`,
        { retryAfterMs: RETRY_MS },
      );
    }
    this.taken += bytes;
  }

  giveBack(bytes: number): void {
    this.taken -= bytes;
  }
}

/** Holds a request's bytes against the budget while it is on its way. Throws OVERLOADED. */
export function boundBytes(budget: ByteBudget): Layer<InferCall, InferResult> {
  return (next) => async (call) => {
    const { byteLength } = encodedBody(call);
    budget.take(byteLength);
    try {
      return await next(call);
    } finally {
      budget.giveBack(byteLength);
    }
  };
}
