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
  let ended = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const item = await nextUnlessAborted(iterator, signal);
      if (item.done === true) {
        ended = true;
        return;
      }
      yield item.value;
    }
  } finally {
    if (!ended) void iterator.return?.().then(undefined, () => undefined);
  }
}

/** Not a race with one promise for all items: that promise would hold on to every item until the signal is aborted. */
function nextUnlessAborted<T>(iterator: AsyncIterator<T>, signal: AbortSignal): Promise<IteratorResult<T>> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    iterator
      .next()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}
