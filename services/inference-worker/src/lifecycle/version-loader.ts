import type { ArtifactCache, MaterializedArtifact } from '@bms/artifacts';
import { deviceFit, type VersionId } from '@bms/contracts';
import { CPU_DEVICE, describeDevice, offerOf, type Device } from '../servables/device';
import { ProviderCannotRunError } from '../servables/executor';
import type { Servable } from '../servables/servable';
import type { MemoryLedger } from './memory-ledger';
import { ReplicaStart, type ReplicaMemory, type ReplicaStartParts } from './replica-start';
import type { WantedVersion } from './wanted-version';

/** There is clearly not enough free memory for the version. */
export class DoesNotFitError extends Error {
  override readonly name = 'DoesNotFitError';
}

/** A version that came up. */
export interface BroughtUp {
  readonly servable: Servable;
  /** What the device, where that is measured, or else the process grew by while it was loaded and warmed up. */
  readonly memoryBytes: number;
  /** What it runs on: cpu, cuda:0, webgpu. */
  readonly provider: string;
  /** On the CPU, since the worker's device cannot run the model as a whole and its config allows that. */
  readonly fellBack: boolean;
  /** Why the model refused its warm-up; undefined: it did not. */
  readonly unwarmed: string | undefined;
}

export interface VersionLoaderParts extends ReplicaStartParts {
  readonly artifacts: Pick<ArtifactCache, 'materialize'>;
  readonly ledger: MemoryLedger;
  /** Of the device's own memory; undefined: it has none, or nobody can measure it. */
  readonly deviceLedger?: ReplicaMemory | undefined;
  /** Told before a version is loaded a second time, on the CPU; `why` is ONNX Runtime's sentence. */
  readonly onFallback?: (version: VersionId, why: string) => void;
  /** Told where requests run one by one although the version's signature and config would let them be joined. */
  readonly onAlone?: (version: VersionId, why: string) => void;
  readonly device: Device;
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
    this.checkDevice(wanted);
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

  /** Loads on the worker's device; a second time, on the CPU, only where that cannot run the model and the config allows it. */
  private async start(
    wanted: WantedVersion,
    files: Pick<MaterializedArtifact, 'entryPath' | 'folder'>,
    signal: AbortSignal,
    onWarming: () => void,
  ): Promise<BroughtUp> {
    const { device, onFallback } = this.parts;
    try {
      return await this.startOn(device, wanted, files, signal, onWarming);
    } catch (error) {
      if (!(error instanceof ProviderCannotRunError)) throw error;
      const why = `${describeDevice(device)} cannot run it as a whole: ${error.message}`;
      if (wanted.config.fallback !== 'cpu') {
        throw new Error(`${why} With "fallback": "cpu" in its config it would be loaded on the CPU here`, {
          cause: error,
        });
      }
      onFallback?.(wanted.id, why);
      return { ...(await this.startOn(CPU_DEVICE, wanted, files, signal, onWarming)), fellBack: true };
    }
  }

  private async startOn(
    device: Device,
    wanted: WantedVersion,
    { entryPath, folder }: Pick<MaterializedArtifact, 'entryPath' | 'folder'>,
    signal: AbortSignal,
    onWarming: () => void,
  ): Promise<BroughtUp> {
    const place = { wanted, device, memory: this.memoryOf(device), modelFile: entryPath, folder };
    const { whyAlone, firstBytes, ...started } = await new ReplicaStart(this.parts, place, signal).run(onWarming);
    if (device === this.parts.device) this.measuredBytes.set(wanted.artifact.digest, firstBytes);
    if (whyAlone !== undefined) this.parts.onAlone?.(wanted.id, whyAlone);
    return { ...started, provider: describeDevice(device), fellBack: false };
  }

  private memoryOf(device: Device): ReplicaMemory {
    return (device === this.parts.device ? this.parts.deviceLedger : undefined) ?? this.parts.ledger;
  }

  /** Placement sends no version here that must not run here; a worker that came back with another device may still be sent one. */
  private checkDevice({ config }: WantedVersion): void {
    const { device } = this.parts;
    if (deviceFit(config, offerOf(device)) !== 'unfit') return;
    throw new Error(`it is to run on ${config.device}, and this worker runs on ${describeDevice(device)}`);
  }

  private checkFits({ artifact }: WantedVersion): void {
    const measured = this.measuredBytes.get(artifact.digest);
    const neededBytes = Math.max(Number(artifact.sizeBytes), measured ?? 0);
    const freeBytes = this.memoryOf(this.parts.device).freeBytes();
    if (neededBytes <= freeBytes) return;
    const how = measured === undefined ? 'its files alone take' : 'it took before';
    throw new DoesNotFitError(
      `it does not fit: ${how} ${mebibytes(neededBytes)}, and ${mebibytes(freeBytes)} are free here`,
    );
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
