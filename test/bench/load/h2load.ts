import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

export interface H2loadJob {
  readonly address: string;
  readonly path: string;
  readonly tls: boolean;
  /** File with the message to send, gRPC's prefix before it. */
  readonly bodyFile: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  /** On each connection. */
  readonly inFlight: number;
  /** In all. By number, not by time: in a run by time it counts no bytes. */
  readonly requests: number;
}

export interface H2loadResult {
  readonly answers: number;
  /** By HTTP; it knows nothing of gRPC's status. */
  readonly failed: number;
  readonly perSecond: number;
  /** Of all answers' DATA frames, gRPC's prefixes included. */
  readonly dataBytes: number;
}

const PATIENCE_MS = 120_000;

/** nghttp2's load generator, in the path; undefined where it is not installed. */
export function h2loadVersion(): string | undefined {
  const { error, stdout } = spawnSync('h2load', ['--version'], { encoding: 'utf8' });
  return error === undefined ? stdout.trim() : undefined;
}

/** Runs it with one thread. Throws where its report cannot be understood. */
export async function h2load(job: H2loadJob): Promise<H2loadResult> {
  const headers = { 'content-type': 'application/grpc', te: 'trailers', ...job.headers };
  const { stdout } = await promisify(execFile)(
    'h2load',
    [
      ...['-t', '1', '-c', String(job.connections), '-m', String(job.inFlight), '-n', String(job.requests)],
      ...['-d', job.bodyFile],
      ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
      `${job.tls ? 'https' : 'http'}://${job.address}${job.path}`,
    ],
    { timeout: PATIENCE_MS },
  );
  return readReport(stdout);
}

/** Its report, as of nghttp2 1.52. */
export function readReport(report: string): H2loadResult {
  const number = (what: string, pattern: RegExp): number => {
    const value = Number(pattern.exec(report)?.[1]);
    if (!Number.isFinite(value)) throw new Error(`h2load's report has no ${what}:\n${report}`);
    return value;
  };
  const answers = number('number of requests done', /, (\d+) done,/);
  return {
    answers,
    failed: answers - number('number of 2xx answers', /status codes: (\d+) 2xx/),
    perSecond: number('requests a second', /, ([0-9.]+) req\/s/),
    dataBytes: number('bytes of data', /headers \(.*?, \S+ \((\d+)\) data/),
  };
}
