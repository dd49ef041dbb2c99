import { setTimeout as wait } from 'node:timers/promises';
import { GRPC_PREFIX_BYTES } from '../load/answer-bytes';
import { h2load, h2loadVersion } from '../load/h2load';
import type { LoadJob, LoadResult, Pace } from '../load/load-job';
import { startLoad } from '../load/start-load';
import { cpuSecondsOf, endedChildrenCpuSeconds } from '../process-usage';
import type { Side } from '../sides/side';
import type { Measurement } from './measurement';
import type { Workload } from './workload';

/** Of all that are in flight together. */
const PILOT_ROUNDS = 5;
/** Requests of an open loop come in steps of a millisecond, as from callers whose timers know no less. */
const TOGETHER_MS = 1;
/** Until a load process has begun, and after what it is beside has ended. */
const BUSY_BEFORE_MS = 1_000;

export const LOAD_KNOBS = {
  warmUp: { about: 'requests before a side is measured for the first time', value: 30_000, tiny: 20 },
  runMs: { about: 'how long one run measures', value: 5_000, tiny: 200 },
  rounds: { about: 'how often each side is measured; medians count', value: 3, tiny: 1 },
};

/** Sends requests of a benchmark's sides: saturating ones by h2load where it is installed, timed ones by our own generator. */
export class LoadGenerator {
  private readonly warmed = new Set<string>();
  /** Requests a second, by side and workload. */
  private readonly speeds = new Map<string, number>();
  private readonly withH2load = h2loadVersion() !== undefined;

  constructor(
    private readonly knobs: { readonly warmUp: number; readonly runMs: number },
    say: (line: string) => void,
  ) {
    if (!this.withH2load)
      say('h2load is NOT INSTALLED: our own generator, which takes more processor time, sends all load');
  }

  /** As many as go with so many in flight. Throws where an answer is not as it must be. */
  async saturate(side: Side, workload: Workload): Promise<Measurement> {
    await this.warm(side, workload);
    return this.withH2load ? await this.byH2load(side, workload) : await this.timed(side, workload);
  }

  /** The same, each answer timed and checked. */
  async timed(side: Side, workload: Workload): Promise<Measurement> {
    return await this.paced(side, workload, { kind: 'closed', inFlight: workload.inFlight });
  }

  /** At a fixed rate, each answer timed from when its request was due, and checked. */
  async atRate(side: Side, workload: Workload, perSecond: number, everyMs: number = TOGETHER_MS): Promise<Measurement> {
    return await this.paced(side, workload, { kind: 'open', perSecond, everyMs });
  }

  private async paced(side: Side, workload: Workload, pace: Pace): Promise<Measurement> {
    await this.warm(side, workload);
    const until = { kind: 'time', ms: this.knobs.runMs } as const;
    return measurementOf(side, await startLoad({ ...jobOf(side, workload), pace, until }));
  }

  /** Does the work while the side is kept busy by other requests, whose answers are checked as well. */
  async beside<T>(side: Side, busy: Workload, work: () => Promise<T>): Promise<T> {
    await this.warm(side, busy);
    const pace = { kind: 'closed', inFlight: busy.inFlight } as const;
    const until = { kind: 'time', ms: this.knobs.runMs + 2 * BUSY_BEFORE_MS } as const;
    const neighbours = startLoad({ ...jobOf(side, busy), pace, until });
    const [result] = await Promise.all([wait(BUSY_BEFORE_MS).then(work), neighbours]);
    measurementOf(side, await neighbours);
    return result;
  }

  /** So many requests and no warm-up before them. */
  async firstRequests(side: Side, workload: Workload, count: number): Promise<Measurement> {
    const pace = { kind: 'closed', inFlight: workload.inFlight } as const;
    return measurementOf(side, await startLoad({ ...jobOf(side, workload), pace, until: { kind: 'answers', count } }));
  }

  /** Once a side: by our own generator, so that it also proves that the side answers as it must. */
  private async warm(side: Side, workload: Workload): Promise<void> {
    const key = `${side.address} ${workload.bodyFile} ${workload.tls}`;
    if (this.warmed.has(key)) return;
    this.warmed.add(key);
    // A large request does in one call what many small ones do.
    const count = workload.bodyBytes > 2 ** 15 ? Math.ceil(this.knobs.warmUp / 20) : this.knobs.warmUp;
    await this.firstRequests(side, workload, count);
  }

  /** It runs by number: how many fill the time of a run is learnt from a shorter one. */
  private async byH2load(side: Side, workload: Workload): Promise<Measurement> {
    const { connections, inFlight } = workload;
    const runs = `${side.address} ${workload.bodyFile} ${connections} × ${inFlight}`;
    let speed = this.speeds.get(runs);
    if (speed === undefined) {
      const pilot = Math.max(connections * inFlight * PILOT_ROUNDS, this.knobs.warmUp / 100);
      speed = (await this.h2loadRun(side, workload, Math.ceil(pilot))).perSecond;
    }
    const measurement = await this.h2loadRun(side, workload, Math.ceil((speed * this.knobs.runMs) / 1_000));
    this.speeds.set(runs, measurement.perSecond);
    return measurement;
  }

  private async h2loadRun(side: Side, workload: Workload, atLeast: number): Promise<Measurement> {
    const requests = Math.max(atLeast, workload.connections);
    const before = cpuOf(side);
    const { answers, failed, perSecond, dataBytes } = await h2load({ ...workload, address: side.address, requests });
    const after = cpuOf(side);
    const answerBytes = workload.answerBytes + GRPC_PREFIX_BYTES;
    // It does not look at gRPC's status; an error has no message, though, so the bytes tell.
    if (failed > 0 || answers !== requests || dataBytes !== requests * answerBytes) {
      throw new Error(
        `${side.name}: of ${requests} requests ${answers} were answered and ${failed} failed; ${dataBytes} bytes came where each answer has ${answerBytes}`,
      );
    }
    const cpuUs = Object.keys(after).map((role) => {
      return [role, (((after[role] ?? NaN) - (before[role] ?? NaN)) / answers) * 1e6] as const;
    });
    return { perSecond, cpuUs: Object.fromEntries(cpuUs), latencies: undefined };
  }
}

function jobOf(side: Side, workload: Workload): Omit<LoadJob, 'pace' | 'until'> {
  const [host, port] = side.address.split(':') as [string, string];
  const { path, tls, headers, bodyFile, expectedFile, connections } = workload;
  return {
    ...{ host, port: Number(port), path, tls, headers, bodyFile, expectedFile, connections },
    ...{ warmUp: 0, pids: side.pids },
  };
}

function measurementOf(side: Side, result: LoadResult): Measurement {
  const { answers, inTime, failed, firstFailure, seconds, latencies, cpuSeconds } = result;
  if (failed > 0) throw new Error(`${side.name}: ${failed} of ${answers} requests failed: ${firstFailure ?? ''}`);
  const cpuUs = Object.entries(cpuSeconds).map(([role, used]) => [role, (used / answers) * 1e6] as const);
  return { perSecond: inTime / seconds, cpuUs: Object.fromEntries(cpuUs), latencies };
}

function cpuOf(side: Side): Record<string, number> {
  const roles = Object.entries(side.pids).map(([role, pid]) => [role, cpuSecondsOf(pid)] as const);
  return { ...Object.fromEntries(roles), load: endedChildrenCpuSeconds() };
}
