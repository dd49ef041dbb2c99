/** Signals within this time after the first are the same wish: one Ctrl-C reaches npm and us and arrives twice. */
const SAME_WISH_MS = 1_000;

/** Resolves at the first SIGINT or SIGTERM; calls `onSecond` at a later one. */
export function stopSignal(onSecond: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      const nowMs = performance.now();
      if (firstMs === undefined) {
        firstMs = nowMs;
        resolve(signal);
      } else if (nowMs - firstMs > SAME_WISH_MS) {
        onSecond();
      }
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
