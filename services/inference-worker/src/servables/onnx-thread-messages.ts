import type { GraphOptimization } from '@bms/contracts';
import type { LoadedModel, RunMark } from './executor';

/** A tensor inside a turn's one buffer. BYTES tensors lie there as on the wire: each element behind its 4-byte length. */
export interface PackedInput {
  readonly name: string;
  /** ONNX Runtime's name of the datatype: float32, string, … */
  readonly type: string;
  readonly shape: readonly number[];
  /** A multiple of 8, so that every typed array fits. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface PackedRun {
  readonly inputs: readonly PackedInput[];
  readonly outputs: readonly string[];
}

export interface PackedOutput {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  /** The memory that the runtime gave, moved between the threads. */
  readonly data: Uint8Array;
}

export type PackedOutcome =
  | { readonly kind: 'answered'; readonly outputs: readonly PackedOutput[]; readonly computeUs: number }
  | { readonly kind: 'refused'; readonly field: string; readonly message: string }
  | { readonly kind: 'oversized'; readonly message: string; readonly computeUs: number }
  | { readonly kind: 'failed'; readonly message: string; readonly computeUs: number };

/** To the thread. A turn is a list of runs: one message costs 25 µs and more, each further run in it 4 to 7. */
export type ToThread =
  | { readonly kind: 'turn'; readonly id: number; readonly buffer: ArrayBuffer; readonly runs: readonly PackedRun[] }
  | { readonly kind: 'close' };

/** From the thread. The first message is `loaded` or `not-loaded`. */
export type FromThread =
  | { readonly kind: 'loaded'; readonly model: LoadedModel }
  | { readonly kind: 'not-loaded'; readonly message: string; readonly needsCpu: boolean }
  | { readonly kind: 'turn'; readonly id: number; readonly outcomes: readonly PackedOutcome[] };

/** What the thread is started with. */
export interface ThreadSpec {
  readonly model:
    | { readonly kind: 'file'; readonly path: string }
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array };
  readonly provider: string;
  readonly deviceIndex: number | undefined;
  readonly intraOpThreads: number;
  readonly graphOptimization: GraphOptimization;
  readonly providerOptions: Readonly<Record<string, string>>;
  readonly runMark: RunMark | undefined;
  /** Bytes that the outputs of one run may take together. */
  readonly answerLimitBytes: number;
}
