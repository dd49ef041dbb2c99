import type { GraphOptimization } from '@bms/contracts';
import type { Tensor } from '@bms/tensor';
import type { Device } from './device';

/** What makes a model run. */
export interface ExecutorSpec {
  /** Path of the .onnx file. External data is found beside it. */
  readonly modelFile: string;
  readonly device: Device;
  /** Threads inside one run. */
  readonly intraOpThreads: number;
  readonly graphOptimization: GraphOptimization;
  /** Options of the device's provider, as the version's config has them. */
  readonly providerOptions: Readonly<Record<string, string>>;
  /**
   * Where is said whether a run is going on: one byte, `1` or `0`, of a file. It outlives a crash of the process, and the next
   * start reads it (`lifecycle/load-journal.ts`). undefined: not kept.
   */
  readonly runMark?: RunMark | undefined;
}

/** A byte of a file that the executors of a version share. */
export interface RunMark {
  readonly file: string;
  readonly byteOffset: number;
}

/** What is known of a model once it is loaded. */
export interface LoadedModel {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** How long making the session took. */
  readonly loadMs: number;
}

/** One prediction to make. */
export interface RunRequest {
  /** One per input of the model. Their bytes are read until the run is answered, and never written. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs to answer, in this order. */
  readonly outputs: readonly string[];
}

/**
 * Requests that run as one, their rows along dimension 0 behind each other. They have the same outputs, datatypes and other
 * dimensions; one by itself may have any.
 */
export interface RunBatch {
  /** At least one. */
  readonly requests: readonly RunRequest[];
  /** Rows that are added behind theirs, equal to the last of theirs; the answer has them, too. */
  readonly paddingRows: number;
}

/** A request that is joined to no other. */
export function alone(request: RunRequest): RunBatch {
  return { requests: [request], paddingRows: 0 };
}

/**
 * How one run ended:
 * - `answered`: its outputs, one per name asked for
 * - `refused`: the runtime cannot take these values (they are the caller's)
 * - `oversized`: its outputs take more bytes than one answer may; they were thrown away where they came to be
 * - `failed`: the model raised an error; the message is the runtime's own, without paths of this machine
 */
export type RunOutcome =
  | { readonly kind: 'answered'; readonly outputs: readonly Tensor[]; readonly computeUs: number }
  | { readonly kind: 'refused'; readonly field: string; readonly message: string }
  | { readonly kind: 'oversized'; readonly message: string; readonly computeUs: number }
  | { readonly kind: 'failed'; readonly message: string; readonly computeUs: number };

/**
 * Holds one loaded model and runs it away from the thread that holds sockets. One is made for each replica and never
 * used for another: `load` once, `run` any number of times, `close` once.
 */
export interface Executor {
  /** Resolves with why when the executor is lost for good, other than by `close`; then every `run` rejects. */
  readonly lost: Promise<string>;
  /** Resolves when nothing of it takes memory or a core any more, also where `close` could not wait for that. */
  readonly ended: Promise<void>;
  /**
   * Rejects with an Error whose message is for people: why it cannot be loaded; with {@link ProviderCannotRunError} where
   * another provider could. Aborting ends the attempt.
   */
  load(signal: AbortSignal): Promise<LoadedModel>;
  /**
   * Runs batches one after the other and answers them together: a turn on the device. One outcome per batch, in
   * their order, with the rows of all its requests. Rejects with {@link ExecutorLostError} when the executor is lost or closed. It takes no signal: a run
   * that has begun cannot be called back.
   */
  run(batches: readonly RunBatch[]): Promise<readonly RunOutcome[]>;
  /** Frees the model. Answers false when a run does not return: what it holds is then freed by the end of the process only. */
  close(): Promise<boolean>;
}

export type ExecutorFactory = (spec: ExecutorSpec) => Executor;

/** The device's provider lacks a kernel that the model needs: nothing else was taken instead of it. */
export class ProviderCannotRunError extends Error {
  override readonly name = 'ProviderCannotRunError';
}

/** The executor is lost. */
export class ExecutorLostError extends Error {
  override readonly name = 'ExecutorLostError';
  constructor(
    why: string,
    /** Whether the work had reached it, so that a part of it may have run. */
    readonly began: boolean,
  ) {
    super(why);
  }
}
