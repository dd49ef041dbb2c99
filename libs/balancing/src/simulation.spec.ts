import { ejectionAfter, IN, type Ejection } from './ejection';
import { Ewma } from './ewma';
import { Picker } from './picker';
import { WorkerLoad } from './worker-load';

/** A worker that runs one call after the other. */
class SimulatedReplica {
  readonly load = new WorkerLoad();
  readonly latencyMs = new Ewma();
  ejection: Ejection = IN;
  picked = 0;
  private freeAtMs = 0;

  constructor(
    readonly name: string,
    public serviceMs: number,
    public fails = false,
  ) {}

  /** When a call that arrives now ends. */
  endOf(nowMs: number): number {
    this.freeAtMs = Math.max(this.freeAtMs, nowMs) + this.serviceMs;
    return this.freeAtMs;
  }
}

function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Plays calls that arrive at random, `perSecond` on average, against the replicas; answers the calls' latencies. */
class Simulation {
  private readonly random: () => number;
  private readonly ends: { readonly atMs: number; readonly end: () => void }[] = [];
  readonly latencies: number[] = [];
  failures = 0;
  nowMs = 0;

  constructor(
    readonly replicas: readonly SimulatedReplica[],
    seed: number,
  ) {
    this.random = seeded(seed);
  }

  run(durationMs: number, perSecond: number): void {
    const untilMs = this.nowMs + durationMs;
    for (;;) {
      const arrivalMs = this.nowMs + (-Math.log(1 - this.random()) * 1_000) / perSecond;
      if (arrivalMs >= untilMs) break;
      this.advanceTo(arrivalMs);
      this.arrive();
    }
    this.advanceTo(untilMs);
  }

  private arrive(): void {
    const { nowMs, random } = this;
    const verdict = new Picker(this.replicas, nowMs).pick({ nowMs, random, tried: new Set() });
    if (verdict.kind !== 'replica') throw new Error(`nobody picked: ${verdict.kind}`);
    const { replica } = verdict;
    replica.picked++;
    replica.load.begin();
    const endMs = replica.endOf(nowMs);
    this.ends.push({ atMs: endMs, end: () => this.end(replica, nowMs) });
    this.ends.sort((one, other) => one.atMs - other.atMs);
  }

  private end(replica: SimulatedReplica, startedAtMs: number): void {
    replica.load.end();
    if (replica.fails) {
      this.failures++;
    } else {
      this.latencies.push(this.nowMs - startedAtMs);
      replica.latencyMs.observe(this.nowMs - startedAtMs, this.nowMs);
    }
    replica.ejection = ejectionAfter(replica.ejection, replica.fails ? 'failed' : 'answered', this.nowMs);
  }

  private advanceTo(atMs: number): void {
    while ((this.ends[0]?.atMs ?? Infinity) <= atMs) {
      const next = this.ends.shift();
      if (next === undefined) break;
      this.nowMs = next.atMs;
      next.end();
    }
    this.nowMs = atMs;
  }
}

const sharesOf = (replicas: readonly SimulatedReplica[]): number[] => {
  const all = replicas.reduce((sum, { picked }) => sum + picked, 0);
  return replicas.map(({ picked }) => picked / all);
};

describe.each([1, 2, 3])('power of two choices, least loaded (seed %i)', (seed) => {
  it('shares evenly among equals', () => {
    const simulation = new Simulation(
      ['a', 'b', 'c', 'd'].map((name) => new SimulatedReplica(name, 5)),
      seed,
    );
    simulation.run(30_000, 400);
    for (const share of sharesOf(simulation.replicas)) expect(Math.abs(share - 0.25)).toBeLessThan(0.03);
  });

  it('keeps the tail short at 80% load, where random choice queues', () => {
    const simulation = new Simulation(
      ['a', 'b', 'c', 'd'].map((name) => new SimulatedReplica(name, 5)),
      seed,
    );
    simulation.run(60_000, 640);
    const sorted = simulation.latencies.sort((one, other) => one - other);
    expect(sorted[Math.floor(sorted.length * 0.99)]).toBeLessThan(35); // one queue in M/D/1 at 80%: about 57
  });

  it('moves under 1% to a replica within two seconds of its becoming ten times as slow, and back after', () => {
    const slow = new SimulatedReplica('slow', 5);
    const replicas = [slow, ...['b', 'c', 'd'].map((name) => new SimulatedReplica(name, 5))];
    const simulation = new Simulation(replicas, seed);
    simulation.run(10_000, 200);
    slow.serviceMs = 50;
    simulation.run(2_000, 200);
    for (const replica of replicas) replica.picked = 0;
    simulation.run(20_000, 200);
    expect(sharesOf(replicas)[0]).toBeLessThan(0.01);
    slow.serviceMs = 5;
    simulation.run(30_000, 200);
    for (const replica of replicas) replica.picked = 0;
    simulation.run(10_000, 200);
    expect(sharesOf(replicas)[0]).toBeGreaterThan(0.15);
  });

  it('fills a fast and a slow worker by their speed', () => {
    const replicas = [new SimulatedReplica('fast', 4), new SimulatedReplica('slow', 12)];
    const simulation = new Simulation(replicas, seed);
    simulation.run(60_000, 260); // together they take 333 a second
    const [fast = 0] = sharesOf(replicas);
    expect(fast).toBeGreaterThan(0.7);
    expect(fast).toBeLessThan(0.95);
  });

  it('lets a replica that fails every call cost three calls, then one a probation', () => {
    const bad = new SimulatedReplica('bad', 1, true);
    const replicas = [bad, ...['b', 'c', 'd'].map((name) => new SimulatedReplica(name, 5))];
    const simulation = new Simulation(replicas, seed);
    simulation.run(60_000, 400);
    // Ejected for 1, 2, 4 … 32 s: at most six probations, and what was on its way when the verdict fell.
    expect(simulation.failures).toBeLessThanOrEqual(3 + 6 + 3);
    expect(simulation.failures).toBeGreaterThanOrEqual(3);
  });
});
