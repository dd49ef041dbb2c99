// A target in a process of its own, whose memory is looked at: `node victim.ts '{"limits":{…}}'`, forked by VictimProcess.
import { Target, type TargetOptions } from './target';

/** What a victim tells of itself when it is asked. */
export interface VictimReport {
  readonly rssBytes: number;
  /** The most that it has ever had. */
  readonly rssMostBytes: number;
  readonly runningMost: number;
  readonly begun: number;
  readonly internalErrors: readonly string[];
}

const options = JSON.parse(process.argv[2] ?? '{}') as TargetOptions;

void Target.start(options).then((target) => {
  process.on('message', () => {
    globalThis.gc?.();
    const report: VictimReport = {
      rssBytes: process.memoryUsage.rss(),
      rssMostBytes: process.resourceUsage().maxRSS * 1024,
      runningMost: target.runningMost,
      begun: target.begun,
      internalErrors: target.internalErrors.map(String),
    };
    process.send?.(report);
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ port: target.port });
});
