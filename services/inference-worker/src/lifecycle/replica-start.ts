import { GRAPH_OPTIMIZATIONS, type GraphOptimization, type models } from '@bms/contracts';
import type { Clock } from '../clock';
import type { Device } from '../servables/device';
import type { Executor, ExecutorFactory, RunRequest } from '../servables/executor';
import { ExecutorPool } from '../servables/executor-pool';
import { StuckError } from '../servables/or-stuck';
import { Servable } from '../servables/servable';
import { fixedExecutors, measuredExecutors } from '../tuning/add-executors';
import { tuneVersion, type Tuned } from '../tuning/tune-version';
import type { LoadJournal } from './load-journal';
import { madeUpInputs, warmUp } from './warm-up';
import { readWarmUpFile } from './warm-up-file';
import type { WantedVersion } from './wanted-version';

/** What of the free memory one more executor may take: other versions want to be loaded, too. */
const SHARE_OF_FREE = 0.25;

/** Memory that loading takes, of the process or of a device. */
export interface ReplicaMemory {
  /** Begins to measure one load; `end` answers the bytes. */
  measure(): Growth | Promise<Growth>;
  freeBytes(): number;
}

export interface Growth {
  end(): number | Promise<number>;
}

/** What a worker starts its replicas with. */
export interface ReplicaStartParts {
  readonly makeExecutor: ExecutorFactory;
  readonly journal: LoadJournal;
  readonly clock: Clock;
  /** Threads inside one run where the version's config does not say. */
  readonly intraOpThreads: number;
  /** Sessions of one version where its config does not say; 0: as many as are measured to be worth it. */
  readonly executors: number;
  /** Runs at once on the device: more sessions of one version would only take memory. */
  readonly concurrentRuns: number;
}

/** A version and where it is started. */
export interface ReplicaPlace {
  readonly wanted: WantedVersion;
  readonly device: Device;
  /** The device's, or the process's. */
  readonly memory: ReplicaMemory;
  readonly modelFile: string;
  /** The artifact's. */
  readonly folder: string;
}

export interface StartedReplica {
  readonly servable: Servable;
  /** What all its sessions took. */
  readonly memoryBytes: number;
  /** What the first one took: as much is needed to load it at all. */
  readonly firstBytes: number;
  /** Why the model refused its warm-up; undefined: it did not. */
  readonly unwarmed: string | undefined;
  readonly whyAlone: string | undefined;
}

/** One start of a version: session → warm-up → tuning → more sessions. */
export class ReplicaStart {
  private readonly made: Executor[] = [];
  private examples: readonly RunRequest[] = [];

  constructor(
    private readonly parts: ReplicaStartParts,
    private readonly place: ReplicaPlace,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * @param onWarming called once the first session is there
   * Throws what loading throws; StuckError where a run does not return. Nothing is left loaded then.
   */
  async run(onWarming: () => void): Promise<StartedReplica> {
    try {
      return await this.start(onWarming);
    } catch (error) {
      const closed = await Promise.all(this.made.map((executor) => executor.close()));
      if (closed.every(Boolean)) throw error;
      const ended = Promise.all(this.made.map((executor) => executor.ended)).then(() => undefined);
      throw new StuckError('a run of its warm-up does not return', ended);
    }
  }

  private async start(onWarming: () => void): Promise<StartedReplica> {
    const { memory, wanted } = this.place;
    const first = await measured(memory, async () => {
      const executor = this.make();
      await executor.load(this.signal);
      onWarming();
      const unwarmed = await this.warm(executor);
      return { executor, unwarmed, tuned: await this.tune(executor, unwarmed) };
    });
    const { executor, tuned, unwarmed } = first.value;
    const more = await this.moreExecutors(executor, tuned, first.bytes);
    const [only, ...others] = more.value;
    const runs = { executors: more.value.length, batching: tuned.batching };
    const runner = only !== undefined && others.length === 0 ? only : new ExecutorPool(more.value);
    return {
      servable: new Servable(wanted.ref, wanted.signature, runner, runs),
      memoryBytes: first.bytes + more.bytes,
      firstBytes: first.bytes,
      unwarmed,
      whyAlone: tuned.whyAlone,
    };
  }

  private make(): Executor {
    const { wanted, device, modelFile } = this.place;
    const { makeExecutor, journal, intraOpThreads } = this.parts;
    const { config } = wanted;
    const executor = makeExecutor({
      modelFile,
      device,
      intraOpThreads: config.intraOpThreads || intraOpThreads,
      graphOptimization: graphOptimizationOf(config),
      providerOptions: config.providerOptions[device.provider]?.options ?? {},
      runMark: { file: journal.runMarkFile(wanted.id), byteOffset: this.made.length },
    });
    this.made.push(executor);
    return executor;
  }

  private async another(): Promise<Executor> {
    const executor = this.make();
    try {
      await executor.load(this.signal);
      await warmUp(executor, this.examples, this.parts.clock, this.signal);
      return executor;
    } catch (error) {
      if (await executor.close()) throw error;
      throw new StuckError('a run of its warm-up does not return', executor.ended);
    }
  }

  private async warm(executor: Executor): Promise<string | undefined> {
    const { signature } = this.place.wanted;
    try {
      this.examples = (await readWarmUpFile(this.place.folder, signature)) ?? [
        { inputs: madeUpInputs(signature), outputs: signature.outputs.map(({ name }) => name) },
      ];
    } catch (error) {
      return (error as Error).message;
    }
    return warmUp(executor, this.examples, this.parts.clock, this.signal);
  }

  private async tune(executor: Executor, unwarmed: string | undefined): Promise<Tuned> {
    const { signature, config } = this.place.wanted;
    const { clock } = this.parts;
    const examples = unwarmed === undefined ? this.examples : [];
    return tuneVersion(executor, { signature, config, examples, clock, signal: this.signal });
  }

  private async moreExecutors(
    first: Executor,
    { turn }: Tuned,
    firstBytes: number,
  ): Promise<Measured<readonly Executor[]>> {
    const { executors, concurrentRuns, clock } = this.parts;
    const { wanted, memory } = this.place;
    const wished = wanted.config.executors || executors || (turn.length === 0 ? 1 : 0);
    const most = Math.min(concurrentRuns, wished || concurrentRuns);
    if (most === 1) return { value: [first], bytes: 0 };
    const parts = {
      another: () => this.another(),
      fits: () => firstBytes <= memory.freeBytes() * (wished > 0 ? 1 : SHARE_OF_FREE),
      clock,
      signal: this.signal,
    };
    return measured(memory, () =>
      wished > 0 ? fixedExecutors(first, most, parts) : measuredExecutors(first, most, turn, parts),
    );
  }
}

interface Measured<T> {
  readonly value: T;
  readonly bytes: number;
}

async function measured<T>(memory: ReplicaMemory, work: () => Promise<T>): Promise<Measured<T>> {
  const growth = await memory.measure();
  try {
    const value = await work();
    return { value, bytes: await growth.end() };
  } catch (error) {
    await growth.end();
    throw error;
  }
}

/** "" (the default) means all; the registry lets only known words pass. */
function graphOptimizationOf(config: models.VersionConfig): GraphOptimization {
  return GRAPH_OPTIMIZATIONS.find((word) => word === config.graphOptimization) ?? 'all';
}
