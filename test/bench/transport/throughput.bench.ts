import type { Transport } from '@bms/data-plane';
import { defineBenchmark, type BenchmarkContext, type BenchmarkResult, type Figure, type Plot } from '../benchmark';
import { judged, unmeasured } from '../figures';
import { rounded } from '../percentiles';
import { startBenchProcess } from '../sides/bench-process';
import { nginxSide } from '../sides/nginx-front';
import { NoopMesh } from '../sides/noop-mesh';
import type { Side } from '../sides/side';
import { FALLBACK_TRANSPORT, OWN_TRANSPORT } from '../sides/transport-server';
import { LOAD_KNOBS, LoadGenerator } from './load-generator';
import { alternate, headroomOf, type Measurement } from './measurement';
import { CONCURRENCIES, noopWorkload, SIZES, type Size } from './workload';

/** Where the figures are measured: 1 KB, four connections with eight in flight each. */
const [SIZE, IN_FLIGHT] = ['1 KB', 32] as const;
/** Fewer large ones: each fills what smaller ones leave idle. */
const LARGE_IN_FLIGHT = 8;

type ByPlace = readonly (readonly [string, Map<Side, Measurement>])[];

export const throughput = defineBenchmark({
  name: 'transport/throughput',
  about: 'requests a second and processor time of each road to a worker that takes no time, by concurrency and size',
  knobs: LOAD_KNOBS,
  stores: ['embedded'],
  run: async (knobs, context) => {
    const sides = await startSides(context);
    const load = new LoadGenerator(knobs, context.say);
    const all = Object.values(sides).filter((side) => side !== undefined);
    const measure = async (size: Size, inFlight: number): Promise<Map<Side, Measurement>> => {
      const workload = noopWorkload(context, size, inFlight);
      const measured = await alternate(all, knobs.rounds, (side) => load.saturate(side, workload));
      for (const [{ name }, run] of measured) context.say(`${size}, ${inFlight} in flight: ${name}: ${sayOf(run)}`);
      return measured;
    };
    const byConcurrency: [string, Map<Side, Measurement>][] = [];
    for (const inFlight of CONCURRENCIES) byConcurrency.push([String(inFlight), await measure(SIZE, inFlight)]);
    const bySize: [string, Map<Side, Measurement>][] = [];
    for (const size of Object.keys(SIZES) as Size[]) {
      const known = size === SIZE ? byConcurrency.find(([place]) => place === String(IN_FLIGHT)) : undefined;
      bySize.push([size, known?.[1] ?? (await measure(size, size === '600 KB' ? LARGE_IN_FLIGHT : IN_FLIGHT))]);
    }
    return resultOf(sides, byConcurrency, bySize);
  },
});

/** What is compared; each is one process, or two with the router. Undefined where it is not installed. */
interface Sides {
  readonly direct: Side;
  readonly routed: Side;
  readonly fallbackDirect: Side;
  readonly fallbackRouted: Side;
  readonly nginx: Side | undefined;
  readonly grpcJs: Side;
  readonly nodeHttp2: Side;
}

async function startSides(context: BenchmarkContext): Promise<Sides> {
  const mesh = (transport: Transport): Promise<NoopMesh> =>
    NoopMesh.start(context, transport, { transport, workers: 1, models: 1 });
  const [own, fallback] = await Promise.all([mesh(OWN_TRANSPORT), mesh(FALLBACK_TRANSPORT)]);
  const bare = async (name: string, script: string): Promise<Side> => {
    const { pid, address } = await startBenchProcess(context, { script });
    return { name, address, pids: { front: pid } };
  };
  return {
    direct: own.direct,
    routed: own.routed,
    fallbackDirect: fallback.direct,
    fallbackRouted: fallback.routed,
    nginx: await nginxSide(context, own.direct),
    grpcJs: await bare('bare grpc-js', 'sides/grpc-js-server'),
    nodeHttp2: await bare('bare node:http2', 'sides/http2-server'),
  };
}

function resultOf(sides: Sides, byConcurrency: ByPlace, bySize: ByPlace): BenchmarkResult {
  return {
    tables: [
      tableOf('requests/s at 1 KB, by requests in flight', byConcurrency, sides, perSecond, 0),
      tableOf('CPU of the front at 1 KB, µs a request, by requests in flight', byConcurrency, sides, frontUs, 1),
      tableOf('requests/s, by size', bySize, sides, perSecond, 0),
      tableOf('CPU of the front, µs a request, by size', bySize, sides, frontUs, 1),
      tableOf(
        'CPU of the load generator, µs a request, by size',
        bySize,
        sides,
        ({ cpuUs }) => cpuUs['load'] ?? NaN,
        1,
      ),
    ],
    figures: figuresOf(sides, byConcurrency, bySize),
    plots: [
      plotOf('Requests a second, 1 KB', 'in flight', byConcurrency),
      plotOf('Requests a second, by size', 'size of a request', bySize),
    ],
  };
}

function figuresOf(sides: Sides, byConcurrency: ByPlace, bySize: ByPlace): Figure[] {
  const { routed, nginx, grpcJs, fallbackRouted } = sides;
  const at = (places: ByPlace, place: string, side: Side): Measurement =>
    places.find(([name]) => name === place)?.[1].get(side) as Measurement;
  const cpu = (side: Side): number => frontUs(at(byConcurrency, String(IN_FLIGHT), side));
  const speed = (side: Side, size: Size = SIZE): number => perSecond(at(bySize, size, side));
  const noNginx = 'nginx is not installed';
  return [
    judged('router-cpu', cpu(routed)),
    nginx === undefined
      ? unmeasured('router-cpu-to-nginx', noNginx)
      : judged('router-cpu-to-nginx', cpu(routed) / cpu(nginx)),
    judged('router-cpu-to-grpc-js', cpu(routed) / cpu(grpcJs)),
    nginx === undefined
      ? unmeasured('routed-to-nginx', noNginx)
      : judged('routed-to-nginx', speed(routed) / speed(nginx)),
    judged('load-headroom', loadHeadroom(byConcurrency)),
    judged('transport-gain', speed(routed) / speed(fallbackRouted)),
    judged('transport-gain-600k', speed(routed, '600 KB') / speed(fallbackRouted, '600 KB')),
  ];
}

/** At the fastest side and place. */
function loadHeadroom(places: ByPlace): number {
  const runs = places.flatMap(([, measured]) => [...measured.values()]);
  const fastest = runs.reduce((one, other) => (other.perSecond > one.perSecond ? other : one));
  return headroomOf(fastest);
}

function tableOf(
  title: string,
  places: ByPlace,
  { direct }: Sides,
  of: (measurement: Measurement) => number,
  digits: number,
): BenchmarkResult['tables'][number] {
  const sides = [...(places[0]?.[1].keys() ?? [])];
  const cell = (measured: Map<Side, Measurement>, side: Side): string => {
    const value = of(measured.get(side) as Measurement);
    const base = of(measured.get(direct) as Measurement);
    return `${rounded(value, digits)} (${rounded(value / base, 2)}×)`;
  };
  return {
    title: `${title} (× worker direct)`,
    columns: ['', ...places.map(([place]) => place)],
    rows: sides.map((side) => [side.name, ...places.map(([, measured]) => cell(measured, side))]),
  };
}

function plotOf(title: string, xLabel: string, places: ByPlace): Plot {
  const sides = [...(places[0]?.[1].keys() ?? [])];
  return {
    ...{ title, xLabel, yLabel: 'requests/s', logarithmic: true, places: places.map(([place]) => place) },
    lines: sides.map((side) => ({
      name: side.name,
      values: places.map(([, measured]) => measured.get(side)?.perSecond ?? NaN),
    })),
  };
}

function perSecond(measurement: Measurement): number {
  return measurement.perSecond;
}

function frontUs({ cpuUs }: Measurement): number {
  return cpuUs['front'] ?? NaN;
}

function sayOf({ perSecond: speed, cpuUs }: Measurement): string {
  const cpu = Object.entries(cpuUs).map(([role, us]) => `${role} ${rounded(us)}`);
  return `${rounded(speed, 0)}/s, CPU µs: ${cpu.join(', ')}`;
}
