import type { Bytes } from './call';

/** The sending side of a call that a client makes. */
export interface RequestSink {
  readonly ended: boolean;
  /** Resolves when there is room for the next one or the call has ended. */
  write(message: Bytes): Promise<void>;
  endWrites(): void;
  /** Ends the call; reads throw `error`. */
  fail(error: unknown): void;
  /** Waits for `start` to call its `done`, but not beyond the end of the call. */
  orEnd(start: (done: () => void) => void): Promise<void>;
}

/** Sends requests as fast as the connection takes them, until they or the call end. */
export async function sendAll(requests: AsyncIterable<Bytes>, call: RequestSink): Promise<void> {
  const iterator = requests[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<Bytes> | undefined;
    await call.orEnd((done) => {
      iterator.next().then(
        (result) => {
          next = result;
          done();
        },
        (error: unknown) => call.fail(error),
      );
    });
    if (call.ended || next === undefined) break;
    if (next.done === true) {
      call.endWrites();
      return;
    }
    await call.write(next.value);
  }
  // Not waited for: a generator that waits for its next request never gets to its end.
  iterator.return?.().catch(() => {});
}
