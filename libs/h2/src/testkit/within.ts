/** What a test waits for unless it says otherwise. */
export const PATIENCE_MS = 5_000;

/**
 * The promise's result, or an error that says what was waited for.
 * @param what completes "waited … ms for"
 */
export async function within<T>(promise: Promise<T>, what: () => string, patienceMs = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${patienceMs} ms for ${what()}`)), patienceMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
