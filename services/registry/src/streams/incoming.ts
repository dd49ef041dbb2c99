import { BmsError } from '@bms/contracts';
import type { Wakeup } from './wakeup';

/**
 * - `open`: more may come
 * - `ended`: the peer has said all
 * - `failed`: the stream broke, or what came was not acceptable
 */
export type IncomingState =
  | { readonly kind: 'open' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: unknown };

/**
 * The peer's half of a long-lived stream, read beside the half that we write. The first message is taken apart, since it
 * says who the peer is.
 */
export class Incoming<T> {
  private readonly iterator: AsyncIterator<T>;
  private present: IncomingState = { kind: 'open' };

  constructor(messages: AsyncIterable<T>) {
    this.iterator = messages[Symbol.asyncIterator]();
  }

  get state(): IncomingState {
    return this.present;
  }

  /** The first message. Throws INVALID_REQUEST when there is none. */
  async first(): Promise<T> {
    const result = await this.iterator.next();
    if (result.done !== true) return result.value;
    throw BmsError.invalidRequest('hello', 'the stream ended before its first message');
  }

  /** Hands all others to `take`, as they come, and wakes the writing half after each and at the end. What `take` throws fails the stream. */
  readRest(take: (message: T) => void, wakeup: Wakeup): void {
    // A call for each message: nothing holds on to the last one while the next is waited for.
    const readOne = async (): Promise<boolean> => {
      const result = await this.iterator.next();
      if (result.done === true) return false;
      take(result.value);
      wakeup.wake();
      return true;
    };
    const read = async (): Promise<void> => {
      while (await readOne());
    };
    void read()
      .then(
        () => (this.present = { kind: 'ended' }),
        (error: unknown) => (this.present = { kind: 'failed', error }),
      )
      .then(wakeup.wake);
  }
}
