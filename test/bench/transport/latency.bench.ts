import { defineBenchmark, type BenchmarkContext, type Figure, type Plot, type Table } from '../benchmark';
import { judged, unmeasured } from '../figures';
import type { Latencies } from '../load/latency-record';
import { rounded } from '../percentiles';
import { nginxSide } from '../sides/nginx-front';
import { NoopMesh } from '../sides/noop-mesh';
import type { Side } from '../sides/side';
import { OWN_TRANSPORT } from '../sides/transport-server';
import { GcPauses, TRACE_GC } from './gc-pauses';
import { LOAD_KNOBS, LoadGenerator } from './load-generator';
import { alternate, headroomOf, type Measurement } from './measurement';
import { CONCURRENCIES, noopWorkload } from './workload';

/** How much of its peak a service is kept at that is to answer in time. */
const BUSY_SHARE = 0.7;
/** A service that answers less than this part of what is asked for does not keep up. */
const RATE_KEPT = 0.95;

const knobs = {
  ...LOAD_KNOBS,
  perSecond: { about: 'requests a second of the open loop', value: 8_000, tiny: 100 },
};

export const latency = defineBenchmark({
  name: 'transport/latency',
  about: 'how long requests take: one at a time, many at a time, and at a fixed rate, from when they were due',
  knobs,
  stores: ['embedded'],
  run: async (values, context) => {
    const options = { transport: OWN_TRANSPORT, workers: 1, models: 1, routerNodeFlags: [TRACE_GC] };
    const mesh = await NoopMesh.start(context, OWN_TRANSPORT, options);
    const nginx = await nginxSide(context, mesh.direct);
    const load = new LoadGenerator(values, context.say);
    const sides = [mesh.direct, mesh.routed, ...(nginx === undefined ? [] : [nginx])];
    const closed = await closedLoops(context, load, sides, values.rounds);
    const fronts = [mesh.routed, ...sides.slice(2)];
    const open = await openLoop(context, load, fronts, values);
    const spaced = await openLoop(context, load, fronts, values, 1_000 / values.perSecond);
    const busy = await nearPeak(context, load, mesh, values.rounds);
    return {
      tables: [
        latencyTable('p50, µs, 1 KB, by requests in flight', closed, ({ p50Us }) => p50Us),
        latencyTable('p99, µs, 1 KB, by requests in flight', closed, ({ p99Us }) => p99Us),
        rateTable(`open loop, ${values.perSecond}/s, 1 KB, those of a millisecond together`, open),
        rateTable(`the same, evenly spaced`, spaced),
        rateTable(
          `open loop at ${BUSY_SHARE * 100}% of the peak, ${rounded(busy.perSecond, 0)}/s, 1 KB`,
          busy.measured,
        ),
      ],
      figures: [
        ...addedAtOne(closed, mesh, nginx),
        judged('router-cpu-open', open.get(mesh.routed)?.cpuUs['front'] ?? NaN),
        judged('tail', tailOf(busy.measured.get(mesh.routed) as Measurement, busy.perSecond)),
        judged('gc-pause', busy.gcPauseMs),
        judged('own-load-headroom', headroomOf(closed[closed.length - 1]?.[1].get(mesh.direct) as Measurement)),
      ],
      plots: [
        latencyPlot('p50, 1 KB', closed, ({ p50Us }) => p50Us),
        latencyPlot('p99, 1 KB', closed, ({ p99Us }) => p99Us),
      ],
    };
  },
});

type ByPlace = readonly (readonly [string, ReadonlyMap<Side, Measurement>])[];

async function closedLoops(
  context: BenchmarkContext,
  load: LoadGenerator,
  sides: readonly Side[],
  rounds: number,
): Promise<ByPlace> {
  const all: [string, ReadonlyMap<Side, Measurement>][] = [];
  for (const inFlight of CONCURRENCIES) {
    const workload = noopWorkload(context, '1 KB', inFlight);
    const measured = await alternate(sides, rounds, (side) => load.timed(side, workload));
    for (const [{ name }, { latencies }] of measured) {
      context.say(`${inFlight} in flight: ${name}: p50 ${rounded(latencies?.p50Us ?? NaN)} µs`);
    }
    all.push([String(inFlight), measured]);
  }
  return all;
}

async function openLoop(
  context: BenchmarkContext,
  load: LoadGenerator,
  sides: readonly Side[],
  { perSecond, rounds }: { readonly perSecond: number; readonly rounds: number },
  everyMs?: number,
): Promise<ReadonlyMap<Side, Measurement>> {
  const workload = noopWorkload(context);
  return await alternate(sides, rounds, (side) => load.atRate(side, workload, perSecond, everyMs));
}

/**
 * The router at a share of its peak: of what it answers when more is asked of it at a fixed rate, by the same load generator on
 * the same machine.
 */
async function nearPeak(
  context: BenchmarkContext,
  load: LoadGenerator,
  mesh: NoopMesh,
  rounds: number,
): Promise<{
  readonly perSecond: number;
  readonly measured: ReadonlyMap<Side, Measurement>;
  readonly gcPauseMs: number;
}> {
  const workload = noopWorkload(context);
  const saturated = await load.timed(mesh.routed, workload);
  const peak = await load.atRate(mesh.routed, workload, Math.max(1, Math.round(saturated.perSecond)));
  const perSecond = Math.max(1, Math.round(peak.perSecond * BUSY_SHARE));
  const pauses = GcPauses.watch(mesh.routerLog);
  const measured = await alternate([mesh.routed], rounds, (side) => load.atRate(side, workload, perSecond));
  return { perSecond, measured, gcPauseMs: pauses.longestMs() };
}

function addedAtOne(closed: ByPlace, { direct, routed }: NoopMesh, nginx: Side | undefined): Figure[] {
  const one = closed[0]?.[1];
  const p50 = (side: Side): number => one?.get(side)?.latencies?.p50Us ?? NaN;
  const added = p50(routed) - p50(direct);
  return [
    judged('p50-added', added),
    nginx === undefined
      ? unmeasured('p50-added-to-nginx', 'nginx is not installed')
      : judged('p50-added-to-nginx', added / (p50(nginx) - p50(direct))),
  ];
}

/** Infinite where the rate was not kept: then all wait, and long ones no longer than others. */
function tailOf({ perSecond, latencies }: Measurement, wanted: number): number {
  if (latencies === undefined || perSecond < wanted * RATE_KEPT) return Infinity;
  return latencies.p999Us / latencies.p50Us;
}

function latencyTable(title: string, places: ByPlace, of: (latencies: Latencies) => number): Table {
  const sides = [...(places[0]?.[1].keys() ?? [])];
  return {
    title,
    columns: ['', ...places.map(([place]) => place)],
    rows: sides.map((side) => [side.name, ...places.map(([, measured]) => rounded(latencyOf(measured, side, of), 0))]),
  };
}

function rateTable(title: string, measured: ReadonlyMap<Side, Measurement>): Table {
  return {
    title,
    columns: [
      '',
      'p50, µs',
      'p99, µs',
      'p99.9, µs',
      'longest, µs',
      'CPU of the front, µs a request',
      'of the load, µs',
    ],
    rows: [...measured].map(([{ name }, { latencies, cpuUs }]) => [
      name,
      ...[latencies?.p50Us, latencies?.p99Us, latencies?.p999Us, latencies?.maxUs].map((us) => rounded(us ?? NaN, 0)),
      ...[cpuUs['front'], cpuUs['load']].map((us) => rounded(us ?? NaN)),
    ]),
  };
}

function latencyPlot(title: string, places: ByPlace, of: (latencies: Latencies) => number): Plot {
  const sides = [...(places[0]?.[1].keys() ?? [])];
  return {
    ...{ title, xLabel: 'in flight', yLabel: 'µs', logarithmic: true, places: places.map(([place]) => place) },
    lines: sides.map((side) => ({
      name: side.name,
      values: places.map(([, measured]) => latencyOf(measured, side, of)),
    })),
  };
}

function latencyOf(measured: ReadonlyMap<Side, Measurement>, side: Side, of: (latencies: Latencies) => number): number {
  const latencies = measured.get(side)?.latencies;
  return latencies === undefined ? NaN : of(latencies);
}
