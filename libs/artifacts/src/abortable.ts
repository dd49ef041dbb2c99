/**
 * `source`, but whoever waits for its next item is let go with `signal.reason` when the signal is aborted, even where the source
 * does not know the signal. The source is then told to end and not waited for.
 */
export async function* abortable<T>(source: AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T, void, void> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  signal.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  const { promise: aborted, stop } = rejectedWhenAborted(signal);
  let ended = false;
  try {
    for (;;) {
      const item = await Promise.race([iterator.next(), aborted]);
      if (item.done === true) {
        ended = true;
        return;
      }
      yield item.value;
    }
  } finally {
    stop();
    if (!ended) void iterator.return?.().then(undefined, () => undefined);
  }
}

function rejectedWhenAborted(signal: AbortSignal): { promise: Promise<never>; stop: () => void } {
  let stop = (): void => undefined;
  const promise = new Promise<never>((_, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    stop = () => signal.removeEventListener('abort', abort);
  });
  promise.catch(() => undefined); // it may be aborted while nobody waits
  return { promise, stop };
}
