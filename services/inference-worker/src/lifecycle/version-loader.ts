import type { ArtifactCache, MaterializedArtifact } from '@bms/artifacts';
import { GRAPH_OPTIMIZATIONS, type GraphOptimization, type models } from '@bms/contracts';
import type { Clock } from '../clock';
import type { Device } from '../servables/device';
import type { Executor, ExecutorFactory, RunRequest } from '../servables/executor';
import { Servable } from '../servables/servable';
import type { LoadJournal } from './load-journal';
import type { MemoryLedger } from './memory-ledger';
import { madeUpInputs, StuckError, warmUp } from './warm-up';
import { readWarmUpFile } from './warm-up-file';
import type { WantedVersion } from './wanted-version';

/** There is clearly not enough free memory for the version. */
export class DoesNotFitError extends Error {
  override readonly name = 'DoesNotFitError';
}

/** A version that came up. */
export interface BroughtUp {
  readonly servable: Servable;
  /** What the process grew by while it was loaded and warmed up. */
  readonly memoryBytes: number;
  /** Why the model refused its warm-up; undefined: it did not. */
  readonly unwarmed: string | undefined;
}

export interface VersionLoaderParts {
  readonly artifacts: Pick<ArtifactCache, 'materialize'>;
  readonly makeExecutor: ExecutorFactory;
  readonly journal: LoadJournal;
  readonly ledger: MemoryLedger;
  readonly clock: Clock;
  readonly device: Device;
  /** Threads inside one run where the version's config does not say. */
  readonly intraOpThreads: number;
}

/** Brings one version up: files → memory that suffices → session in a fresh executor → warm-up. */
export class VersionLoader {
  /** What versions took when they were loaded before, by digest: better than the size of their files. */
  private readonly measuredBytes = new Map<string, number>();

  constructor(private readonly parts: VersionLoaderParts) {}

  /**
   * @param onWarming called once the session is there
   * Throws what a person can act on, without paths of this machine; {@link DoesNotFitError}, StuckError.
   */
  async bringUp(wanted: WantedVersion, signal: AbortSignal, onWarming: () => void): Promise<BroughtUp> {
    const { artifacts, journal } = this.parts;
    const files = await artifacts.materialize(wanted.artifact, signal);
    try {
      this.checkFits(wanted);
      journal.beginLoad(wanted);
      let succeeded = false;
      try {
        const broughtUp = await this.start(wanted, files, signal, onWarming);
        succeeded = true;
        return broughtUp;
      } finally {
        journal.endLoad(wanted, succeeded);
      }
    } finally {
      files.release(); // ONNX Runtime holds open, or has read, what it needs
    }
  }

  private async start(
    wanted: WantedVersion,
    { entryPath, folder }: Pick<MaterializedArtifact, 'entryPath' | 'folder'>,
    signal: AbortSignal,
    onWarming: () => void,
  ): Promise<BroughtUp> {
    const { makeExecutor, journal, ledger, device, intraOpThreads } = this.parts;
    const executor = makeExecutor({
      modelFile: entryPath,
      device,
      intraOpThreads: wanted.config.intraOpThreads || intraOpThreads,
      graphOptimization: graphOptimizationOf(wanted.config),
      runMarkFile: journal.runMarkFile(wanted.id),
    });
    const growth = ledger.measure();
    try {
      await executor.load(signal);
      onWarming();
      const unwarmed = await this.warm(wanted, executor, folder, signal);
      const memoryBytes = growth.end();
      this.measuredBytes.set(wanted.artifact.digest, memoryBytes);
      return { servable: new Servable(wanted.ref, wanted.signature, executor), memoryBytes, unwarmed };
    } catch (error) {
      growth.end();
      if (!(await executor.close())) throw new StuckError('a run of its warm-up does not return', executor.ended);
      throw error;
    }
  }

  private async warm(
    { signature }: WantedVersion,
    executor: Executor,
    folder: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    let examples: readonly RunRequest[];
    try {
      examples = (await readWarmUpFile(folder, signature)) ?? [
        { inputs: madeUpInputs(signature), outputs: signature.outputs.map(({ name }) => name) },
      ];
    } catch (error) {
      return (error as Error).message;
    }
    return warmUp(executor, examples, this.parts.clock, signal);
  }

  private checkFits({ artifact }: WantedVersion): void {
    const measured = this.measuredBytes.get(artifact.digest);
    const neededBytes = Math.max(Number(artifact.sizeBytes), measured ?? 0);
    const freeBytes = this.parts.ledger.freeBytes();
    if (neededBytes <= freeBytes) return;
    const how = measured === undefined ? 'its files alone take' : 'it took before';
    throw new DoesNotFitError(
      `it does not fit: ${how} ${mebibytes(neededBytes)}, and ${mebibytes(freeBytes)} are free here`,
    );
  }
}

/** "" (the default) means all; the registry lets only known words pass. */
function graphOptimizationOf(config: models.VersionConfig): GraphOptimization {
  return GRAPH_OPTIMIZATIONS.find((word) => word === config.graphOptimization) ?? 'all';
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
