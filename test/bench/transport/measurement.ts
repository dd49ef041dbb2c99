import type { Latencies } from '../load/latency-record';
import { percentile } from '../percentiles';

/** One run on one side. */
export interface Measurement {
  readonly perSecond: number;
  /** Microseconds of processor time for one answer, of all threads, by role; `load` is the load generator. */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** Where each answer was timed. */
  readonly latencies: Latencies | undefined;
}

/** Each figure's median; of at least one. */
export function median(runs: readonly Measurement[]): Measurement {
  const [first] = runs as readonly [Measurement];
  const middle = (of: (run: Measurement) => number): number => percentile(runs.map(of), 0.5);
  const roles = Object.keys(first.cpuUs).map((role) => [role, middle(({ cpuUs }) => cpuUs[role] ?? NaN)] as const);
  const latency = (field: keyof Latencies): number => middle(({ latencies }) => latencies?.[field] ?? NaN);
  return {
    perSecond: middle(({ perSecond }) => perSecond),
    cpuUs: Object.fromEntries(roles),
    latencies: first.latencies && {
      count: latency('count'),
      p50Us: latency('p50Us'),
      p99Us: latency('p99Us'),
      p999Us: latency('p999Us'),
      maxUs: latency('maxUs'),
    },
  };
}

/** How often the load generator, with a core of its own, could have sent what was answered: above 1 it is not what limits. */
export function headroomOf({ perSecond, cpuUs }: Measurement): number {
  return 1e6 / (cpuUs['load'] ?? NaN) / perSecond;
}

/**
 * Measures the sides in turn, round after round (A B A B), so that what the machine does meanwhile meets them all, and answers each
 * one's medians.
 */
export async function alternate<S>(
  sides: readonly S[],
  rounds: number,
  measure: (side: S) => Promise<Measurement>,
): Promise<Map<S, Measurement>> {
  const runs = new Map<S, Measurement[]>(sides.map((side) => [side, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [side, sofar] of runs) sofar.push(await measure(side));
  }
  return new Map([...runs].map(([side, all]) => [side, median(all)]));
}
