import type { LoadResult, SecondReport } from './load-run';
import type { LoadTally } from './load-tally';

/** A second as one line of JSON. */
export function secondJson({ second, window, total, underWay }: SecondReport): string {
  const { sent, right, wrong, failed } = total;
  return JSON.stringify({ second, ...figuresOf(window), underWay, total: { sent, right, wrong, failed } });
}

/** What it all came to, as the last line of JSON. */
export function summaryJson({ total, tookMs, abandoned }: LoadResult, trustedVersions: readonly number[]): string {
  return JSON.stringify({
    summary: {
      tookMs: rounded(tookMs),
      ...figuresOf(total),
      abandoned,
      sentLateP99Ms: rounded(total.lateness.percentileMs(0.99)),
      trustedVersions,
      failures: Object.fromEntries(total.failures),
      firstDifference: total.firstDifference ?? null,
    },
  });
}

function figuresOf(tally: LoadTally): Readonly<Record<string, unknown>> {
  const { sent, right, wrong, failed, triedAgain, latencies, workers, versions } = tally;
  return {
    ...{ sent, right, wrong, failed, triedAgain },
    p50Ms: rounded(latencies.percentileMs(0.5)),
    p99Ms: rounded(latencies.percentileMs(0.99)),
    maxMs: rounded(latencies.maxMs),
    workers: Object.fromEntries(workers),
    versions: Object.fromEntries(versions),
  };
}

/** null where there is no latency to speak of. */
function rounded(ms: number): number | null {
  return Number.isNaN(ms) ? null : Number(ms.toFixed(2));
}
