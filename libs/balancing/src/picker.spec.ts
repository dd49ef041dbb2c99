import { DISCONNECTED, ejectionAfter, IN, type Ejection } from './ejection';
import { Picker, type Replica } from './picker';

interface TestReplica extends Replica {
  readonly name: string;
}

const ejectedUntil = (untilMs: number): Ejection => {
  let verdict = IN;
  for (let failure = 0; failure < 3; failure++) verdict = ejectionAfter(verdict, 'failed', untilMs - 1_000);
  return verdict;
};

function replica(name: string, inFlight = 0, latencyMs: number | 'unknown' = 10, ejection: Ejection = IN): TestReplica {
  return {
    name,
    load: { inFlight, read: () => inFlight },
    latencyMs: { read: () => (latencyMs === 'unknown' ? undefined : latencyMs) },
    ejection,
  };
}

/** How often each is picked, over every pair that chance can draw. */
function picks(replicas: readonly TestReplica[], nowMs = 0, tried: readonly TestReplica[] = [], limit = Infinity) {
  const picker = new Picker(replicas, nowMs, limit);
  const counts: Record<string, number> = {};
  const draws = 12;
  for (let first = 0; first < draws; first++) {
    for (let second = 0; second < draws; second++) {
      const values = [first / draws, second / draws, first / draws, second / draws];
      const random = (): number => values.shift() ?? 0;
      const verdict = picker.pick({ nowMs, random, tried: new Set(tried) });
      const key = verdict.kind === 'replica' ? verdict.replica.name : verdict.kind;
      counts[key] = (counts[key] ?? 0) + 1;
    }
  }
  return counts;
}

describe('Picker', () => {
  it.each([
    ['fewer calls in flight', replica('a', 1), replica('b', 2)],
    ['the lower latency', replica('a', 1, 10), replica('b', 1, 20)],
    ['the lower product: slow and idle', replica('a', 0, 30), replica('b', 4, 10)],
    ['the lower product: fast and busy', replica('a', 2, 10), replica('b', 0, 40)],
    ['fewer calls where latencies are much alike', replica('a', 0, 19), replica('b', 1, 10)],
    ['fewer calls where a latency is not known yet', replica('a', 0, 500), replica('b', 1, 'unknown')],
  ])('picks of two the one with %s', (_name, better, worse) => {
    expect(picks([better, worse])).toEqual({ a: 144 });
    expect(picks([worse, better])).toEqual({ a: 144 });
  });

  it('spreads evenly over equals', () => {
    expect(picks(['a', 'b', 'c', 'd'].map((name) => replica(name)))).toEqual({ a: 36, b: 36, c: 36, d: 36 });
  });

  it('spreads evenly over those whose latencies are much alike', () => {
    const replicas = [9, 10, 13, 17].map((latencyMs) => replica(`${latencyMs} ms`, 0, latencyMs));
    expect(Object.values(picks(replicas))).toEqual([36, 36, 36, 36]);
  });

  it('never picks the worst of three, and prefers the best', () => {
    expect(picks([replica('a', 0), replica('b', 1), replica('c', 2)])).toEqual({ a: 96, b: 48 });
  });

  it('leaves out who is ejected or has no connection', () => {
    const replicas = [
      replica('a'),
      replica('b'),
      replica('c', 0, 1, DISCONNECTED),
      replica('d', 0, 1, ejectedUntil(500)),
    ];
    expect(Object.keys(picks(replicas)).sort()).toEqual(['a', 'b']);
  });

  it('counts all that are connected when more than half are out', () => {
    const replicas = [replica('a', 0, 10), replica('b', 0, 1, ejectedUntil(500)), replica('c', 0, 1, DISCONNECTED)];
    expect(Object.keys(picks(replicas)).sort()).toEqual(['b']);
    expect(picks([replica('a', 0, 1, ejectedUntil(500))])).toEqual({ a: 144 });
  });

  it('is valid until the first ejection runs out', () => {
    const replicas = [replica('a'), replica('b', 0, 1, ejectedUntil(500)), replica('c', 0, 1, ejectedUntil(800))];
    expect(new Picker(replicas, 0).validUntilMs).toBe(500);
    expect(new Picker(replicas, 500).validUntilMs).toBe(800);
    expect(new Picker(replicas, 800).validUntilMs).toBe(Infinity);
  });

  it('gives a replica on probation one call at a time, unless there is no other', () => {
    const probing = (inFlight: number): TestReplica => replica('b', inFlight, 1, ejectedUntil(500));
    expect(picks([replica('a', 1), probing(0)], 500)).toEqual({ b: 144 });
    expect(picks([replica('a', 9), probing(1)], 500)).toEqual({ a: 144 });
    expect(picks([probing(1)], 500)).toEqual({ b: 144 });
  });

  it('does not pick again what the call has tried, and says when that was everyone', () => {
    const [a, b] = [replica('a'), replica('b', 5)];
    expect(picks([a, b], 0, [a])).toEqual({ b: 144 });
    expect(picks([a, b], 0, [a, b])).toEqual({ exhausted: 144 });
  });

  it('waits for who may come back, fails where there is no one', () => {
    expect(picks([replica('a', 0, 1, DISCONNECTED)])).toEqual({ wait: 144 });
    expect(picks([])).toEqual({ fail: 144 });
  });

  it('goes to who has room, and sheds when nobody has', () => {
    expect(picks([replica('a', 4, 1), replica('b', 3, 100), replica('c', 4, 1)], 0, [], 4)).toEqual({ b: 144 });
    expect(picks([replica('a', 4), replica('b', 4)], 0, [], 4)).toEqual({ shed: 144 });
  });
});
