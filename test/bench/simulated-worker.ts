import { randomUUID } from 'node:crypto';
import { workerService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { systemClock as clock } from '../../services/inference-worker/src/clock';
import { LoadJournal } from '../../services/inference-worker/src/lifecycle/load-journal';
import { MemoryLedger } from '../../services/inference-worker/src/lifecycle/memory-ledger';
import { Reconciler } from '../../services/inference-worker/src/lifecycle/reconciler';
import type { BroughtUp } from '../../services/inference-worker/src/lifecycle/version-loader';
import type { WantedVersion } from '../../services/inference-worker/src/lifecycle/wanted-version';
import { RegistryLink } from '../../services/inference-worker/src/presence/registry-link';
import { FakeExecutor } from '../../services/inference-worker/src/servables/fake-executor.testkit';
import { Servable } from '../../services/inference-worker/src/servables/servable';
import { ServableSet } from '../../services/inference-worker/src/servables/servable-set';

export interface SimulatedWorkerOptions {
  readonly id: string;
  /** gRPC addresses of the registries. */
  readonly registries: readonly string[];
  readonly token: string;
  /** Where routers reach it. */
  readonly address: string;
  /** Of its own: for the journal. */
  readonly folder: string;
  readonly onChange: () => void;
}

const TOTAL_BYTES = 64 * 2 ** 30;
const RESIDENT_BYTES = 512 * 2 ** 20;
const MODEL_BYTES = 8 * 2 ** 20;

/**
 * A worker to the registry: the inference worker's own presence and reconciler, with executors that load nothing. Many of
 * them fit into one process.
 */
export class SimulatedWorker {
  private readonly reconciler: Reconciler;
  private readonly link: RegistryLink;
  private heard = false;

  constructor(readonly options: SimulatedWorkerOptions) {
    const ledger = new MemoryLedger(
      { totalBytes: () => TOTAL_BYTES, availableBytes: () => TOTAL_BYTES, residentBytes: () => RESIDENT_BYTES },
      0.5,
    );
    this.reconciler = new Reconciler({
      loader: { bringUp },
      servables: new ServableSet(),
      journal: new LoadJournal(options.folder, undefined),
      ledger,
      clock,
      localFolders: [],
      requestRestart: () => undefined,
      say: () => undefined,
    });
    this.link = new RegistryLink({
      addresses: options.registries,
      dial: (address) => new GrpcChannel(address),
      token: options.token,
      hello: helloOf(options),
      report: () => ({
        generation: this.reconciler.generation,
        memory: ledger.report(),
        replicas: this.reconciler.present(),
        deviceFailure: '',
      }),
      applyDesired: (set) => {
        this.reconciler.apply(set);
        this.heard = true;
        options.onChange();
      },
      clock,
      random: Math.random,
      say: () => options.onChange(),
    });
    this.reconciler.onChange(() => {
      this.link.changed();
      options.onChange();
    });
  }

  /** Attached, and told what is desired. */
  get attached(): boolean {
    return this.link.attached && this.heard;
  }

  /** How many versions. */
  get holds(): number {
    return this.reconciler.present().length;
  }

  start(): void {
    this.link.start();
  }

  /** As a process that is killed: the stream breaks, and nothing more is said. */
  async die(): Promise<void> {
    await this.link.close();
  }
}

async function bringUp(wanted: WantedVersion): Promise<BroughtUp> {
  return {
    servable: new Servable(wanted.ref, wanted.signature, new FakeExecutor()),
    memoryBytes: MODEL_BYTES,
    provider: 'cpu',
    fellBack: false,
    unwarmed: undefined,
  };
}

function helloOf({ id, address }: SimulatedWorkerOptions): workerService.WorkerHello {
  return workerService.WorkerHello.create({
    workerId: id,
    incarnation: randomUUID(),
    address,
    host: 'simulated',
    pid: BigInt(process.pid),
    device: {
      provider: 'cpu',
      name: 'simulated',
      concurrentRuns: 1,
      kind: workerService.DeviceKind.CPU,
      memoryBytes: 0n,
    },
    startedAtMs: BigInt(Date.now()),
    bmsVersion: 'simulated',
  });
}
