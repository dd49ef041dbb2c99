import { models, workerService } from '@bms/contracts';
import { createClient } from '@bms/transport';
import { ObservedStream } from './observed-stream.testkit';
import type { RunningRegistry } from './running-registry.testkit';
import { MIB } from './watch/mesh-builder.testkit';

type Stream = ObservedStream<workerService.AttachRequest, workerService.AttachResponse>;

export interface FakeWorkerOptions {
  readonly incarnation?: string;
  readonly host?: string;
  /** Loads at once what it is told, and lets go of the rest; true by default. */
  readonly obeying?: boolean;
}

/** A worker that says what the spec lets it say, over real gRPC. */
export class FakeWorker {
  readonly stream: Stream;
  readonly desiredSets: workerService.DesiredSet[] = [];
  attached: workerService.Attached | undefined;
  drainAcknowledged = false;

  constructor(
    registry: Pick<RunningRegistry, 'dial' | 'trusted'>,
    readonly id: string,
    private readonly options: FakeWorkerOptions = {},
  ) {
    const client = createClient(workerService.WorkerServiceDefinition, registry.dial());
    this.stream = new ObservedStream(
      (requests, signal) => client.attach(requests, { ...registry.trusted, signal }),
      (response) => this.take(response),
    );
    const value = workerService.WorkerHello.create({
      workerId: id,
      incarnation: options.incarnation ?? 'first',
      address: `${id}.example:8800`,
      host: options.host ?? id,
      pid: 7n,
      device: { provider: 'cpu', name: 'a CPU', concurrentRuns: 1 },
      startedAtMs: 1n,
    });
    this.stream.send({ kind: { $case: 'hello', value } });
    if (options.obeying !== false) this.report();
  }

  /** What it holds: versions of the model with their state. */
  report(...replicas: readonly (readonly [version: bigint, state: models.ReplicaState, reason?: string])[]): void {
    const value = workerService.WorkerReport.create({
      generation: this.desiredSets.at(-1)?.generation ?? 0n,
      memory: { totalBytes: 8192n * BigInt(MIB), freeBytes: 4096n * BigInt(MIB), residentBytes: BigInt(MIB) },
      replicas: replicas.map(([version, state, reason = '']) => ({
        ref: { tenant: 'default', model: 'digits', version },
        state,
        reason,
        sinceMs: 1n,
        memoryBytes: BigInt(MIB),
      })),
    });
    this.stream.send({ kind: { $case: 'report', value } });
  }

  drain(): void {
    this.stream.send({ kind: { $case: 'draining', value: { reason: 'SIGTERM' } } });
  }

  /** The versions that it shall hold now. */
  get desired(): readonly bigint[] {
    return (this.desiredSets.at(-1)?.versions ?? []).map(({ ref }) => ref?.version ?? 0n);
  }

  /** Resolves once it is told to hold exactly these. */
  async told(...versions: readonly bigint[]): Promise<void> {
    await this.stream.until(() => {
      const same = this.desiredSets.length > 0 && String(this.desired) === String(versions);
      return same || undefined;
    });
  }

  private take({ kind }: workerService.AttachResponse): void {
    switch (kind?.$case) {
      case 'attached':
        this.attached = kind.value;
        break;
      case 'desired':
        this.desiredSets.push(kind.value);
        if (this.options.obeying !== false) {
          this.report(...this.desired.map((version) => [version, models.ReplicaState.READY] as const));
        }
        break;
      case 'drainAcknowledged':
        this.drainAcknowledged = true;
        break;
      case undefined:
        throw new Error('an empty message');
    }
  }
}
