import type { Latencies } from './latency-record';

/**
 * How requests are sent.
 * - `closed`: so many in flight on each connection; an answer is followed by the next request
 * - `open`: so many a second, whatever becomes of them, in steps of `everyMs` or longer, those of a step together; latencies
 *   count from when a request was due
 */
export type Pace =
  | { readonly kind: 'closed'; readonly inFlight: number }
  | { readonly kind: 'open'; readonly perSecond: number; readonly everyMs: number };

/** When the measuring ends. */
export type Until =
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'answers'; readonly count: number };

/** What the load process is to do; plain data, handed over as JSON. */
export interface LoadJob {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** File with the message to send, gRPC's prefix before it. */
  readonly bodyFile: string;
  /** File with the message to expect; undefined: answers' bytes are not compared. */
  readonly expectedFile: string | undefined;
  readonly connections: number;
  readonly pace: Pace;
  /** Answers before the measuring begins. */
  readonly warmUp: number;
  readonly until: Until;
  /** Processes whose processor time is counted while it is measured, by role. */
  readonly pids: Readonly<Record<string, number>>;
}

export interface LoadResult {
  /** Answered while it was measured, the failed ones included. */
  readonly answers: number;
  /** Of these, before the measuring ended: what an open loop asked for beyond what could be done came later. */
  readonly inTime: number;
  /** With another status than 0 or other bytes than expected. */
  readonly failed: number;
  readonly firstFailure: string | undefined;
  readonly seconds: number;
  /** Of those that did not fail. */
  readonly latencies: Latencies;
  /** By role, in seconds of processor time; `load` is the load process itself. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
}
