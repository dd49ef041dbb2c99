import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { assertNever } from '@bms/contracts';
import { cpuSecondsOf } from '../process-usage';
import { LatencyRecord } from './latency-record';
import { LoadConnection } from './load-connection';
import type { LoadJob, LoadResult } from './load-job';
import type { PacerMessage, PacerOptions } from './pacer';
import { RequestTemplate } from './request-template';
import { sharedClockMs } from './shared-clock';

/** In flight on each connection while an open loop's target is warmed. */
const WARM_UP_IN_FLIGHT = 8;
/** What is then still not answered has failed. */
const DRAIN_BOUND_MS = 5_000;

/**
 * - `warming`: answers count for the warm-up; each is followed by the next request
 * - `measuring`: answers count for the result
 * - `draining`: of an open loop; nothing more is sent, and what is in flight counts as well: it would be the slowest
 * - `over`: nothing counts
 */
type Phase = 'warming' | 'measuring' | 'draining' | 'over';

/** One job, from the first connection to the result. */
export class LoadRun {
  private readonly connections: readonly LoadConnection[];
  private readonly record = new LatencyRecord();
  private phase: Phase = 'warming';
  private warmed = 0;
  private answers = 0;
  private inTime = 0;
  private failed = 0;
  private firstFailure: string | undefined;
  private startedAtMs = 0;
  private seconds = 0;
  private cpuBefore: Readonly<Record<string, number>> = {};
  private cpuSeconds: Readonly<Record<string, number>> = {};
  private pacer: Worker | undefined;
  private done: ((result: LoadResult) => void) | undefined;

  constructor(private readonly job: LoadJob) {
    const { host, port, tls, path, headers, expectedFile } = job;
    const body = readFileSync(job.bodyFile);
    const template = new RequestTemplate({ path, headers, body, authority: `${host}:${port}` });
    const expected = expectedFile === undefined ? undefined : readFileSync(expectedFile);
    this.connections = Array.from({ length: job.connections }, () => {
      const onAnswer = (sentAtMs: number, failure: string | undefined): void =>
        this.onAnswer(connection, sentAtMs, failure);
      const connection: LoadConnection = new LoadConnection({ host, port, tls, template, expected, onAnswer });
      return connection;
    });
  }

  /** Rejects where a connection cannot be made. Throws where the target does not stand the warm-up. */
  async result(): Promise<LoadResult> {
    await Promise.all(this.connections.map(({ ready }) => ready));
    const { pace, warmUp } = this.job;
    const result = new Promise<LoadResult>((resolve) => (this.done = resolve));
    if (warmUp > 0) this.fill(pace.kind === 'closed' ? pace.inFlight : WARM_UP_IN_FLIGHT);
    else this.afterWarmUp();
    return await result;
  }

  private onAnswer(connection: LoadConnection, sentAtMs: number, failure: string | undefined): void {
    switch (this.phase) {
      case 'warming':
        if (failure !== undefined) throw new Error(`a request of the warm-up failed: ${failure}`);
        this.warmed += 1;
        if (this.warmed < this.job.warmUp) connection.call(sharedClockMs());
        else if (this.connections.every(({ inFlight }) => inFlight === 0)) this.afterWarmUp();
        return;
      case 'measuring':
        this.count(sentAtMs, failure);
        if (this.job.pace.kind === 'closed' && connection.failure === undefined) connection.call(sharedClockMs());
        return;
      case 'draining':
        this.count(sentAtMs, failure);
        if (this.unanswered === 0) this.finish();
        return;
      case 'over':
        return;
      default:
        assertNever(this.phase);
    }
  }

  private get unanswered(): number {
    return this.connections.reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  private count(sentAtMs: number, failure: string | undefined): void {
    this.answers += 1;
    if (failure === undefined) {
      this.record.add((sharedClockMs() - sentAtMs) * 1_000);
    } else {
      this.failed += 1;
      this.firstFailure ??= failure;
    }
    const { until } = this.job;
    if (until.kind === 'answers' && this.answers === until.count) this.endOfMeasuring();
  }

  private fill(inFlight: number): void {
    for (const connection of this.connections) {
      for (let index = 0; index < inFlight; index++) connection.call(sharedClockMs());
    }
  }

  private afterWarmUp(): void {
    const { pace } = this.job;
    if (pace.kind === 'open') return this.keepPace(pace);
    this.measure();
    this.fill(pace.inFlight);
  }

  private measure(): void {
    const { until } = this.job;
    this.phase = 'measuring';
    this.cpuBefore = this.cpuNow();
    this.startedAtMs = sharedClockMs();
    if (until.kind === 'time') setTimeout(() => this.endOfMeasuring(), until.ms);
  }

  /** A thread of its own keeps the time, since this one's timers know only whole milliseconds, and it may be late. */
  private keepPace(options: PacerOptions): void {
    let sent = 0;
    this.pacer = new Worker(join(__dirname, 'pacer.js'), { workerData: options });
    this.pacer.on('message', (message: PacerMessage) => {
      if (message.kind === 'begun') return this.measure();
      for (; sent < message.count && this.phase === 'measuring'; sent++) {
        this.connections[sent % this.connections.length]?.call(message.atMs);
      }
    });
    this.pacer.on('error', (error) => {
      throw error;
    });
  }

  private endOfMeasuring(): void {
    if (this.phase !== 'measuring') return;
    this.seconds = (sharedClockMs() - this.startedAtMs) / 1_000;
    const used = Object.entries(this.cpuNow()).map(([role, now]) => [role, now - (this.cpuBefore[role] ?? 0)] as const);
    this.cpuSeconds = Object.fromEntries(used);
    void this.pacer?.terminate();
    this.inTime = this.answers;
    this.phase = 'draining';
    if (this.job.pace.kind === 'closed' || this.unanswered === 0) this.finish();
    else setTimeout(() => this.finish(), DRAIN_BOUND_MS).unref();
  }

  private finish(): void {
    if (this.phase === 'over') return;
    const late = this.job.pace.kind === 'open' ? this.unanswered : 0;
    this.phase = 'over';
    for (const connection of this.connections) connection.close();
    this.done?.({
      answers: this.answers + late,
      inTime: this.inTime,
      failed: this.failed + late,
      firstFailure: this.firstFailure ?? (late > 0 ? `not answered within ${DRAIN_BOUND_MS} ms` : undefined),
      seconds: this.seconds,
      latencies: this.record.summary(),
      cpuSeconds: this.cpuSeconds,
    });
  }

  private cpuNow(): Record<string, number> {
    const { user, system } = process.cpuUsage();
    const others = Object.entries(this.job.pids).map(([role, pid]) => [role, cpuSecondsOf(pid)] as const);
    return { ...Object.fromEntries(others), load: (user + system) / 1e6 };
  }
}
