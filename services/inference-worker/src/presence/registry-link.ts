import { bearer } from '@bms/auth';
import { assertNever, BmsError, CallMetadata, Reason, workerService } from '@bms/contracts';
import { createClient, MessageQueue, Metadata, type Channel } from '@bms/transport';
import type { Clock } from '../clock';
import { reconnectDelayMs } from './reconnect-delay';
import { RivalPause } from './rival-pause';

/** How long to wait for the word that no router sends here any more. */
const DRAIN_ACKNOWLEDGED_WITHIN_MS = 6_000;
/** Without a registry nobody can say so: this long, routers may notice by themselves that the process goes. */
const DRAIN_UNATTACHED_MS = 500;
/** How often the memory is looked at, and what part of the whole must have changed to be worth a report. */
const MEMORY_LOOK_MS = 5_000;
const MEMORY_CHANGE = 0.05;

/** What the link tells the registry, and whom it tells what the registry says. */
export interface RegistryLinkParts {
  /** `host:port` of each registry, tried in turn, from a random one on, so that workers spread over them. */
  readonly addresses: readonly string[];
  readonly dial: (address: string) => Channel;
  readonly token: string;
  readonly hello: workerService.WorkerHello;
  /** The whole present state. */
  readonly report: () => workerService.WorkerReport;
  readonly applyDesired: (set: workerService.DesiredSet) => void;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly say: (event: LinkEvent) => void;
}

export type LinkEvent =
  | { readonly kind: 'attached'; readonly address: string; readonly meshId: string }
  | { readonly kind: 'detached'; readonly address: string; readonly error: BmsError };

/**
 * - `detached`: no registry knows of us now; trying. What is held is served all the same.
 * - `attached`: a registry keeps our lease and tells us what is desired
 * - `closed`: for good
 */
type State =
  | { readonly kind: 'detached' }
  | { readonly kind: 'attached'; readonly requests: MessageQueue<workerService.AttachRequest> }
  | { readonly kind: 'closed' };

/** The worker's stream to a registry: made, and made again with the next one whenever it breaks. */
export class RegistryLink {
  private state: State = { kind: 'detached' };
  private meshId: string | undefined;
  private draining: string | undefined;
  private acknowledge: () => void = () => undefined;
  private readonly acknowledged = new Promise<void>((resolve) => (this.acknowledge = resolve));
  private readonly closing = new AbortController();
  private running: Promise<void> | undefined;
  private readonly rival = new RivalPause();
  /** The stream had the worker's place and was ended because another process has it. */
  private placeTaken = false;
  private reportSoon = false;
  private reportedFreeBytes = 0;

  constructor(private readonly parts: RegistryLinkParts) {}

  get attached(): boolean {
    return this.state.kind === 'attached';
  }

  start(): void {
    this.running = Promise.all([this.keepAttached(), this.watchMemory()]).then(() => undefined);
  }

  /** Something of what `report` tells has changed. Changes of one turn of the event loop make one report. */
  changed(): void {
    if (this.reportSoon) return;
    this.reportSoon = true;
    setImmediate(() => {
      this.reportSoon = false;
      this.sendReport();
    });
  }

  /** Asks to be taken out of the routes; resolves once that is done, or cannot be waited for any longer. */
  async drain(reason: string, signal: AbortSignal): Promise<void> {
    this.draining = reason;
    const { state } = this;
    if (state.kind === 'attached') state.requests.push({ kind: { $case: 'draining', value: { reason } } });
    const boundMs = state.kind === 'attached' ? DRAIN_ACKNOWLEDGED_WITHIN_MS : DRAIN_UNATTACHED_MS;
    const enough = new AbortController();
    await Promise.race([this.acknowledged, this.parts.clock.wait(boundMs, AbortSignal.any([signal, enough.signal]))]);
    enough.abort();
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.running;
    this.state = { kind: 'closed' };
  }

  private async keepAttached(): Promise<void> {
    const { addresses, clock, random, say } = this.parts;
    const { signal } = this.closing;
    let failuresInARow = 0;
    const first = Math.floor(random() * addresses.length);
    for (let turn = first; !signal.aborted; turn++) {
      const address = addresses[turn % addresses.length] ?? '';
      try {
        await this.attachOnce(address, () => (failuresInARow = 0));
        throw new BmsError(Reason.CONNECTION_FAILED, 'the registry ended the stream');
      } catch (error) {
        const said = this.placeTaken ? this.rivalError() : BmsError.from(error);
        if (!signal.aborted) say({ kind: 'detached', address, error: said });
      }
      if (this.placeTaken) {
        this.placeTaken = false;
        await clock.wait(this.rival.takenAt(clock.monotonic()), signal);
        continue;
      }
      failuresInARow += 1;
      // The others are asked at once; when none of them is to be had, there is a pause.
      if (failuresInARow % addresses.length === 0) {
        await clock.wait(reconnectDelayMs(failuresInARow / addresses.length, random), signal);
      }
    }
  }

  private async attachOnce(address: string, onAttached: () => void): Promise<void> {
    const { dial, token, hello } = this.parts;
    const channel = dial(address);
    const requests = new MessageQueue<workerService.AttachRequest>();
    requests.push({ kind: { $case: 'hello', value: hello } });
    try {
      const responses = createClient(workerService.WorkerServiceDefinition, channel).attach(requests, {
        metadata: Metadata.from({ [CallMetadata.authorization]: bearer(token) }),
        signal: this.closing.signal,
      });
      for await (const { kind } of responses) {
        if (kind?.$case === 'attached') {
          this.beginAttached(kind.value, requests, address);
          onAttached();
        } else if (kind !== undefined) {
          this.receive(kind);
        }
      }
    } catch (error) {
      // This process has one stream at a time, so a newer one is not its own.
      this.placeTaken = this.attached && BmsError.from(error).reason === Reason.CONFLICT;
      throw error;
    } finally {
      if (this.state.kind === 'attached') this.state = { kind: 'detached' };
      requests.close();
      channel.close();
    }
  }

  private rivalError(): BmsError {
    return new BmsError(
      Reason.CONFLICT,
      `another worker runs with the id ${this.parts.hello.workerId}: its state folder is a copy, give each its own --state`,
    );
  }

  private beginAttached(
    { meshId }: workerService.Attached,
    requests: MessageQueue<workerService.AttachRequest>,
    address: string,
  ): void {
    if (this.meshId !== undefined && this.meshId !== meshId) {
      throw new BmsError(
        Reason.CONFLICT,
        `the registry at ${address} belongs to the mesh ${meshId}, and this worker to ${this.meshId}: ` +
          'its desired set is not applied; restart the worker to join the other mesh',
      );
    }
    this.meshId = meshId;
    this.state = { kind: 'attached', requests };
    this.parts.say({ kind: 'attached', address, meshId });
    this.sendReport();
    if (this.draining !== undefined) {
      requests.push({ kind: { $case: 'draining', value: { reason: this.draining } } });
    }
  }

  private receive(kind: Exclude<NonNullable<workerService.AttachResponse['kind']>, { $case: 'attached' }>): void {
    switch (kind.$case) {
      case 'desired':
        // A worker on its way out finishes what it holds, whatever is desired of it meanwhile.
        if (this.draining === undefined) this.parts.applyDesired(kind.value);
        return;
      case 'drainAcknowledged':
        this.acknowledge();
        return;
      default:
        assertNever(kind);
    }
  }

  private sendReport(): void {
    if (this.state.kind !== 'attached') return;
    const report = this.parts.report();
    this.reportedFreeBytes = Number(report.memory?.freeBytes ?? 0);
    this.state.requests.push({ kind: { $case: 'report', value: report } });
  }

  private async watchMemory(): Promise<void> {
    const { clock, report } = this.parts;
    const { signal } = this.closing;
    while (!signal.aborted) {
      await clock.wait(MEMORY_LOOK_MS, signal);
      const { memory } = report();
      const changedBytes = Math.abs(Number(memory?.freeBytes ?? 0) - this.reportedFreeBytes);
      if (!signal.aborted && changedBytes > MEMORY_CHANGE * Number(memory?.totalBytes ?? 0)) this.sendReport();
    }
  }
}
