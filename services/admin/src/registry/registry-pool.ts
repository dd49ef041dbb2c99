import { BmsError, Reason } from '@bms/contracts';
import type { Bytes, CallOptions, Channel } from '@bms/transport';
import type { Clock } from '../clock';

/** How long a call waits for a registry that does not answer at all: the restart of one takes about a second. */
const RECONNECT_BOUND_MS = 3_000;
const PAUSE_MS = 100;

/**
 * The registry replicas. A call goes to the one that answered last; when nothing could be sent it goes to the next one, and after
 * a pause round again. A call that broke on its way is repeated only where it changes nothing; later ones go elsewhere.
 */
export class RegistryPool {
  private readonly channels: readonly Channel[];
  private current = 0;

  constructor(
    readonly addresses: readonly string[],
    dial: (address: string) => Channel,
    private readonly clock: Clock,
  ) {
    this.channels = addresses.map(dial);
  }

  /** Connects ahead of the first call. */
  connect(): void {
    for (const channel of this.channels) channel.connect();
  }

  /** Whether any registry is connected. */
  get isReachable(): boolean {
    return this.channels.some(({ state }) => state === 'ready');
  }

  async unary(path: string, request: Bytes, options: CallOptions, { changes }: { changes: boolean }): Promise<Bytes> {
    const giveUpMs = Math.min(this.clock.now() + RECONNECT_BOUND_MS, options.deadlineMs ?? Infinity);
    for (let failures = 1; ; failures++) {
      const used = this.current;
      try {
        return await this.channelAt(used).unary(path, request, options);
      } catch (error) {
        if (isBetterLeft(error) && this.current === used) this.current = (used + 1) % this.channels.length;
        if (!movesOn(error, changes)) throw changes ? outcomeOf(error) : error;
        const roundIsOver = failures % this.channels.length === 0;
        if (roundIsOver) {
          if (this.clock.now() + PAUSE_MS >= giveUpMs) throw this.unreachable(error, changes);
          await this.clock.sleep(PAUSE_MS, options.signal);
        }
      }
    }
  }

  close(): void {
    for (const channel of this.channels) channel.close();
  }

  private channelAt(index: number): Channel {
    const channel = this.channels[index];
    if (channel === undefined) throw new Error(`no registry ${index}`);
    return channel;
  }

  private unreachable(error: BmsError, changes: boolean): BmsError {
    if (error.reason !== Reason.CONNECTION_FAILED) return error;
    const tried = `admin reaches no registry (tried ${this.addresses.join(', ')})`;
    const message = changes ? `${tried}; nothing was changed` : tried;
    return new BmsError(Reason.STORE_UNAVAILABLE, message, { cause: error, retryAfterMs: 1_000 });
  }
}

/** The registry is gone, stands still, or has lost the store: the next call goes to another one. */
function isBetterLeft(error: unknown): boolean {
  return BmsError.is(error, Reason.CONNECTION_FAILED, Reason.DRAINING, Reason.WORKER_LOST, Reason.STORE_UNAVAILABLE);
}

/** Nothing was done, or doing it again does no harm: another registry may. */
function movesOn(error: unknown, changes: boolean): error is BmsError {
  if (BmsError.is(error, Reason.CONNECTION_FAILED, Reason.DRAINING)) return true;
  return !changes && BmsError.is(error, Reason.WORKER_LOST);
}

/** A change whose connection broke may have happened. */
function outcomeOf(error: unknown): unknown {
  if (!BmsError.is(error, Reason.WORKER_LOST)) return error;
  const message =
    'the connection to the registry broke while the change was on its way: it may or may not have happened';
  return new BmsError(Reason.OUTCOME_UNKNOWN, message, { cause: error });
}
