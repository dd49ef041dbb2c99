import { randomUUID } from 'node:crypto';
import { BmsError, Reason, type workerService, type WorkerId } from '@bms/contracts';
import type { Clock } from '../clock';
import type { ReportedRecord, WorkerRecord } from '../records/values';
import type { Incoming } from '../streams/incoming';
import type { StreamGate } from '../streams/stream-gate';
import { Wakeup } from '../streams/wakeup';
import type { RouterAcknowledgements } from '../watch/router-acknowledgements';
import type { StoreMirror } from '../watch/store-mirror';
import { fitReport, ReportTooLargeError } from './fit-report';
import { ReportWriter } from './report-writer';
import { desiredMessage, reportRecord, type WorkerFacts } from './worker-messages';
import { FencedError, type Presence, type WorkerPresence } from './worker-presence';

export interface WorkerSessionOptions {
  readonly facts: WorkerFacts;
  readonly meshId: string;
  readonly presence: WorkerPresence;
  readonly mirror: StoreMirror;
  readonly acknowledgements: RouterAcknowledgements;
  readonly clock: Clock;
  readonly incoming: Incoming<workerService.AttachRequest>;
  /** Aborted when the worker has gone. */
  readonly signal: AbortSignal;
  /** Which registry this is. */
  readonly registryId: string;
  /** Closed when the worker has to go elsewhere, or to serve on by itself. */
  readonly gate: StreamGate;
  readonly observer: WorkerObserver;
}

/** How a worker's stream ended: the worker left in order, its stream broke or was closed, a newer stream took over, or this registry does not serve streams now. */
export type StreamEnd = 'left' | 'broke' | 'taken over' | 'sent away';

/** Told what happens to workers, for logs. */
export interface WorkerObserver {
  attached(facts: WorkerFacts): void;
  draining(facts: WorkerFacts): void;
  ended(facts: WorkerFacts, how: StreamEnd): void;
  /** Something went wrong and is tried again; a {@link ReportTooLargeError} is not, the next report may fit. */
  trouble(facts: WorkerFacts, error: unknown): void;
}

/** How long a draining worker waits for the routers at most. */
export const DRAIN_BOUND_MS = 5_000;
const RETRY_MS = 500;
/** How long to wait to see one's own write; it comes within milliseconds. */
const OWN_WRITE_BOUND_MS = 5_000;
/** What is written when the stream has ended is worth no longer wait. */
const END_BOUND_MS = 2_000;

/**
 * - `no`: it stays
 * - `asked`: it wants to go; its record and the routes are being changed
 * - `acknowledged`: no connected router sends to it any more, or the bound has passed
 * - `told`: and it knows
 */
type Draining = 'no' | 'asked' | 'acknowledged' | 'told';

/**
 * One stream of a worker, from its hello to its end: takes the worker's place in the store, keeps its lease, sends what is
 * desired, writes what it reports, and lets it go in order. A newer stream of the same worker ends this one.
 */
export class WorkerSession {
  private readonly wakeup = new Wakeup();
  private readonly reports: ReportWriter;
  private readonly id: WorkerId;
  private held: Presence | undefined;
  private draining: Draining = 'no';
  private lostForGood = false;
  private recoverable = true;
  private ended = false;
  /** Said already, until a report fits again. */
  private saidTooLarge = false;
  /** Writes of one session follow each other: each needs the revision that the one before gave the record. */
  private lastWrite: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: WorkerSessionOptions) {
    this.id = options.facts.id as WorkerId;
    this.reports = new ReportWriter({
      clock: options.clock,
      write: (report) => this.inTurn((presence) => options.presence.report(presence, report, options.signal)),
      onFailed: (error) => this.failed(error),
    });
  }

  async *run(): AsyncIterable<workerService.AttachResponse> {
    const { facts, meshId, presence, mirror, incoming, signal, gate, registryId: registry } = this.options;
    const record: WorkerRecord = { ...facts, attachment: randomUUID(), attached: true, draining: false, registry };
    const undo = [this.wakeup.onAbort(signal), gate.onChange(this.wakeup.wake)];
    undo.push(mirror.onChange((_, change) => change.workers.has(this.id) && this.wakeup.wake()));
    try {
      this.refuse();
      const taken = await presence.take(record, signal);
      this.hold(taken);
      this.options.observer.attached(facts);
      const value = { meshId, leaseTtlMs: BigInt(taken.hold.ttlMs) };
      yield { kind: { $case: 'attached', value } };
      await mirror.reached(taken.modRevision, signal, OWN_WRITE_BOUND_MS);
      incoming.readRest((message) => this.take(message), this.wakeup);
      yield* this.follow();
    } catch (error) {
      throw error instanceof FencedError ? this.conflict() : error;
    } finally {
      for (const action of undo) action();
      await this.end();
    }
  }

  /** Sends what is desired whenever it changes, and keeps the place in the store, until one side ends the stream. */
  private async *follow(): AsyncIterable<workerService.AttachResponse> {
    const { mirror, incoming, signal } = this.options;
    let sentGeneration: number | undefined;
    for (;;) {
      if (signal.aborted || incoming.state.kind === 'ended') return;
      if (incoming.state.kind === 'failed') throw incoming.state.error;
      this.refuse();
      if (this.lostForGood || this.isTaken()) throw this.conflict();
      if (this.isLost() && this.recoverable) void this.recover();

      const entry = mirror.snapshot.workers.get(this.id);
      const generation = entry?.desired?.record.generation ?? 0;
      if (generation !== sentGeneration) {
        sentGeneration = generation;
        yield desiredMessage(mirror.snapshot, entry);
      } else if (this.draining === 'acknowledged') {
        this.draining = 'told';
        yield { kind: { $case: 'drainAcknowledged', value: {} } };
      } else {
        await this.wakeup.wait();
      }
    }
  }

  private refuse(): void {
    const refusal = this.options.gate.refusal();
    if (refusal !== undefined) throw refusal;
  }

  private take({ kind }: workerService.AttachRequest): void {
    switch (kind?.$case) {
      case 'report':
        return this.offer(reportRecord(this.options.facts.incarnation, kind.value));
      case 'draining':
        if (this.draining === 'no') void this.drain();
        return;
      case 'hello':
        throw BmsError.invalidRequest('hello', 'was sent already: it is the first message, once');
      case undefined:
        return; // of a newer release, which says more than we know
    }
  }

  /** One that the store cannot keep is not tried again: the next report may fit. */
  private offer(report: ReportedRecord): void {
    try {
      this.reports.offer(fitReport(report));
      this.saidTooLarge = false;
    } catch (error) {
      if (!(error instanceof ReportTooLargeError)) throw error;
      if (!this.saidTooLarge) this.trouble(error);
      this.saidTooLarge = true;
    }
  }

  /** Out of the routes, then wait until the routers know. */
  private async drain(): Promise<void> {
    const { facts, presence, mirror, acknowledgements, clock, observer, signal } = this.options;
    const endMs = clock.nowMs() + DRAIN_BOUND_MS;
    this.draining = 'asked';
    observer.draining(facts);
    try {
      await this.inTurn(async (held) => {
        this.held = await presence.update(held, { ...held.record, draining: true }, signal);
      });
      const revision = this.held?.modRevision ?? 0n;
      await mirror.reached(revision, signal, DRAIN_BOUND_MS);
      await acknowledgements.waitFor(revision, Math.max(0, endMs - clock.nowMs()), signal);
      this.draining = 'acknowledged';
      this.wakeup.wake();
    } catch (error) {
      if (signal.aborted) return;
      this.failed(error);
      this.draining = 'no';
      clock.after(RETRY_MS, () => this.draining === 'no' && void this.drain());
    }
  }

  /** The lease has run out although the stream lives, as after a pause of the store: back into the same place. */
  private async recover(): Promise<void> {
    const { presence, clock, mirror, signal } = this.options;
    this.recoverable = false;
    try {
      const reported: ReportedRecord | undefined = this.reports.last;
      await this.inTurn(async (lost) => {
        lost.hold.release();
        this.hold(await presence.take(lost.record, signal, { again: true, reported }));
      });
      this.reports.assume(reported);
      await mirror.reached(this.held?.modRevision ?? 0n, signal, OWN_WRITE_BOUND_MS);
      this.recoverable = true;
      this.wakeup.wake();
    } catch (error) {
      if (error instanceof FencedError) this.lostForGood = true;
      else if (!signal.aborted && !this.ended) this.trouble(error);
      clock.after(error instanceof FencedError ? 0 : RETRY_MS, () => {
        this.recoverable = true;
        this.wakeup.wake();
      });
    }
  }

  private hold(presence: Presence): void {
    if (this.ended) presence.hold.release(); // too late: whoever has the worker now takes it over
    this.held = presence;
    this.wakeup.onAbort(presence.hold.lost);
  }

  /** Another stream has the worker's place. */
  private isTaken(): boolean {
    const { held } = this;
    const stored = this.options.mirror.snapshot.workers.get(this.id)?.worker;
    if (held === undefined || stored === undefined) return false;
    return stored.modRevision > held.modRevision && stored.record.attachment !== held.record.attachment;
  }

  private isLost(): boolean {
    const { held } = this;
    if (held === undefined) return false;
    const { snapshot } = this.options.mirror;
    const gone = snapshot.revision >= held.modRevision && snapshot.workers.get(this.id)?.worker === undefined;
    return held.hold.lost.aborted || gone;
  }

  private inTurn<T>(work: (presence: Presence) => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      if (this.held === undefined) throw new FencedError(`worker ${this.id} has no place yet`);
      return work(this.held);
    };
    const result = this.lastWrite.then(run, run);
    this.lastWrite = result.catch(() => undefined);
    return result;
  }

  /** A write failed: the loop finds out whether the place is taken or lost, or the write is tried again. */
  private failed(error: unknown): void {
    if (this.options.signal.aborted) return;
    if (!(error instanceof FencedError)) this.trouble(error);
    this.wakeup.wake();
  }

  private trouble(error: unknown): void {
    this.options.observer.trouble(this.options.facts, error);
  }

  private conflict(): BmsError {
    this.lostForGood = true;
    return new BmsError(Reason.CONFLICT, `worker ${this.id} has attached again: this stream is the older one`);
  }

  /** A worker that said it goes is gone at once; any other's lease runs out, so that it may come back to its place. */
  private async end(): Promise<void> {
    const { facts, presence, observer } = this.options;
    this.reports.close();
    this.ended = true;
    // One that is sent away is not kept for what a store that may be lost makes of the last write.
    if (this.options.gate.refusal() === undefined) await this.lastWrite;
    const { held } = this;
    if (held === undefined) return;
    const how = this.howEnded(held);
    const signal = AbortSignal.timeout(END_BOUND_MS);
    try {
      if (how === 'left') await presence.leave(held, signal);
      if (how === 'broke') await presence.update(held, { ...held.record, attached: false }, signal);
    } catch {
      // The lease runs out, and with it the record goes.
    }
    held.hold.release();
    observer.ended(facts, how);
  }

  private howEnded({ record }: Presence): StreamEnd {
    if (this.lostForGood) return 'taken over';
    if (record.draining) return 'left';
    return this.options.gate.refusal() === undefined ? 'broke' : 'sent away';
  }
}
