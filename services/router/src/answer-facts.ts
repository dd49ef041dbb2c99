import { CallMetadata } from '@bms/contracts';
import type { CallProgress, InferResult } from './infer-call';

/**
 * What callers are told beside an answer or an error, as names and values: trailers in gRPC, headers in HTTP. How often the
 * call was sent, the worker that had it last, and how long the answer waited and ran there.
 */
export function answerFacts(
  progress: CallProgress,
  result: InferResult | undefined,
): readonly (readonly [string, string])[] {
  const facts: [string, string][] = [[CallMetadata.attempts, String(progress.attempts)]];
  if (progress.workerId !== '') facts.push([CallMetadata.servedBy, progress.workerId]);
  for (const name of [CallMetadata.queueUs, CallMetadata.computeUs]) {
    const value = result?.trailers.get(name);
    if (value !== undefined) facts.push([name, value]);
  }
  return facts;
}
