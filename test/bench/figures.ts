import { assertNever } from '@bms/contracts';
import type { Figure } from './benchmark';
import { rounded } from './percentiles';

/** What is wanted of a figure; `reported`: it is only to be known. */
export type Limit = { readonly kind: 'at most' | 'at least'; readonly value: number } | { readonly kind: 'reported' };

export interface FigureSpec {
  readonly what: string;
  /** How it is computed from what was measured. */
  readonly how: string;
  readonly unit: '' | 'µs' | 'ms' | 'KB' | 'KiB' | 'MB' | '/s';
  readonly limit: Limit;
}

const atMost = (value: number): Limit => ({ kind: 'at most', value });
const atLeast = (value: number): Limit => ({ kind: 'at least', value });
const REPORTED: Limit = { kind: 'reported' };
const ratio = (what: string, how: string, limit: Limit): FigureSpec => ({ what, how, unit: '', limit });
const micros = (what: string, how: string, limit: Limit): FigureSpec => ({ what, how, unit: 'µs', limit });

/** The figures that the data plane is to reach, each with how it is computed and its limit. CPU is user + system time of all threads. */
export const FIGURES = {
  'router-cpu': micros('router CPU per 1 KB request, 4 × 8 in flight', "the router's CPU ÷ answers", atMost(20)),
  'router-cpu-to-nginx': ratio("the same ÷ nginx's", "÷ nginx's CPU ÷ its answers, at the same load", atMost(0.6)),
  'router-cpu-to-grpc-js': ratio("the same ÷ a bare grpc-js server's", '÷ its CPU ÷ its answers', atMost(0.25)),
  'router-cpu-open': micros(
    'router CPU per 1 KB request at 8,000/s',
    "the router's CPU ÷ answers, open loop",
    atMost(30),
  ),
  'routed-to-nginx': ratio('routed ÷ nginx grpc_pass, requests/s', 'no-op worker, one process each', atLeast(1.5)),
  'transport-gain': ratio('our transport ÷ grpc-js fallback, routed, 1 KB', 'requests/s, no-op worker', atLeast(5)),
  'transport-gain-600k': ratio('the same, 600 KB', 'requests/s, no-op worker', atLeast(2.5)),
  'p50-added': micros('p50 that the router adds at one in flight', 'p50 routed − p50 direct, closed loop', atMost(150)),
  'p50-added-to-nginx': ratio('the same ÷ what nginx adds', '÷ (p50 through nginx − p50 direct)', atMost(1)),
  tail: ratio('p99.9 ÷ p50 at 70% of peak', 'open loop, latencies from when a request was due', atMost(10)),
  'gc-pause': {
    what: 'longest GC pause of the router',
    how: 'seen by the process itself',
    unit: 'ms',
    limit: REPORTED,
  },
  'small-beside-large': ratio(
    '1 KB p99 beside saturating 600 KB ÷ at equal CPU load',
    '÷ their p99 beside saturating 1 KB requests',
    atMost(3),
  ),
  'routed-to-direct-digits': ratio(
    'digits: routed ÷ direct, of what CPU allows',
    '(routed/s ÷ direct/s) ÷ (c_direct ÷ (c_direct + c_router))',
    atLeast(0.9),
  ),
  'routed-to-direct-squeezenet': ratio('squeezenet: the same', 'as for digits', atLeast(0.9)),
  'routed-to-direct-own-core': ratio(
    'squeezenet: routed ÷ direct, the worker alone on a core',
    'routed/s ÷ direct/s, saturated',
    atLeast(0.95),
  ),
  efficiency: ratio('serving efficiency, squeezenet, saturated', 'Σ time in run() ÷ (executors × wall)', atLeast(0.95)),
  'routed-to-bare': ratio('squeezenet: routed rows/s ÷ bare loop', 'on the same two cores', atLeast(0.78)),
  tls: micros('TLS adds per 1 KB request', 'CPU with TLS − CPU without, no-op worker', atMost(4)),
  'tls-600k': micros('TLS adds per 600 KB request', 'the same', atMost(500)),
  'tls-handshakes': { what: 'TLS handshakes', how: 'one after the other on 4 lanes', unit: '/s', limit: REPORTED },
  headers: micros('20 literal headers add', "the router's CPU with them − without", atMost(8)),
  'cold-start': ratio('first 2,000 requests ÷ warm CPU', "a fresh router's CPU per request ÷ warm", atMost(2)),
  growth: ratio('router CPU with 1,000 models ÷ with 1', 'CPU per request, all models reported ready', atMost(1.05)),
  'memory-router': ratio('router RSS after 1,000,000 requests ÷ 10,000', 'RSS of one process', atMost(1.1)),
  'memory-worker': ratio('worker RSS, the same', 'RSS of the no-op worker over our transport', atMost(1.1)),
  'stalled-callers': {
    what: 'memory of one of 100 callers that do not read their 64 MB',
    how: "(the router's RSS with them − without) ÷ callers",
    ...{ unit: 'KiB', limit: atMost(256) },
  },
  'load-headroom': ratio(
    'what the load generator can send ÷ what the fastest side answers',
    "(1 s ÷ the generator's CPU per request) ÷ requests/s",
    atLeast(1),
  ),
  'own-load-headroom': ratio('the same of our own generator', 'at 128 in flight', atLeast(1)),
  'attack-memory': {
    ...{
      what: 'memory of a router under the worst attack, one connection',
      how: 'its most RSS − its RSS before',
      unit: 'MB',
    },
    limit: atMost(16),
  },
  'attack-neighbours': ratio(
    '1 KB p99 beside the worst attack ÷ without',
    'an attack that was ended begins again',
    atMost(2),
  ),
  'idle-callers': {
    ...{ what: 'memory of one of 5,000 idle callers', how: '(RSS with them − without) ÷ callers', unit: 'KB' },
    limit: atMost(12),
  },
} as const satisfies Readonly<Record<string, FigureSpec>>;

export type FigureName = keyof typeof FIGURES;

/** The figure as it was measured, beside what is wanted. */
export function judged(name: FigureName, value: number): Figure {
  const { what, how, unit, limit }: FigureSpec = FIGURES[name];
  const measured = `${rounded(value, 2)}${unit && ` ${unit}`}`;
  return { what, how, measured, wanted: limitText(limit, unit), met: isWithin(limit, value) };
}

/** The figure that could not be measured here, and why. */
export function unmeasured(name: FigureName, why: string): Figure {
  const { what, how, unit, limit }: FigureSpec = FIGURES[name];
  return { what, how, measured: `NOT MEASURED: ${why}`, wanted: limitText(limit, unit), met: undefined };
}

function limitText(limit: Limit, unit: string): string {
  switch (limit.kind) {
    case 'at most':
      return `≤ ${limit.value}${unit && ` ${unit}`}`;
    case 'at least':
      return `≥ ${limit.value}${unit && ` ${unit}`}`;
    case 'reported':
      return 'reported';
    default:
      return assertNever(limit);
  }
}

function isWithin(limit: Limit, value: number): boolean {
  switch (limit.kind) {
    case 'at most':
      return value <= limit.value;
    case 'at least':
      return value >= limit.value;
    case 'reported':
      return Number.isFinite(value);
    default:
      return assertNever(limit);
  }
}
