import type { RunningService } from '../running-service';

/** Pauses by kind of collection, as counted so far: how many were at most so long. */
type Buckets = ReadonlyMap<string, number>;

const BUCKET = /^nodejs_gc_duration_seconds_bucket\{le="([^"]+)"[^}]*kind="([^"]+)"\} (\d+)/gm;

/** Watches a service's collections of garbage, by its own metrics. */
export class GcPauses {
  private constructor(
    private readonly service: RunningService,
    private readonly before: Buckets,
  ) {}

  static async watch(service: RunningService): Promise<GcPauses> {
    return new GcPauses(service, await bucketsOf(service));
  }

  /** No pause since the beginning was longer, in milliseconds: the end of the bucket that the longest fell into; 0 without one. */
  async longestMs(): Promise<number> {
    const after = await bucketsOf(this.service);
    const grown = (kind: string, le: string): number => {
      const key = `${kind} ${le}`;
      return (after.get(key) ?? 0) - (this.before.get(key) ?? 0);
    };
    const kinds = new Set([...after.keys()].map((key) => key.split(' ')[0] as string));
    const ends = [...new Set([...after.keys()].map((key) => key.split(' ')[1] as string))];
    const longest = [...kinds].map((kind) => {
      const all = grown(kind, '+Inf');
      if (all === 0) return 0;
      const holdsAll = ends.filter((le) => grown(kind, le) === all).map((le) => Number(le.replace('+Inf', 'Infinity')));
      return Math.min(...holdsAll) * 1_000;
    });
    return Math.max(0, ...longest);
  }
}

async function bucketsOf(service: RunningService): Promise<Buckets> {
  const text = await (await fetch(`http://${String(service.facts['operations'])}/metrics`)).text();
  return new Map([...text.matchAll(BUCKET)].map(([, le, kind, count]) => [`${kind} ${le}`, Number(count)]));
}
