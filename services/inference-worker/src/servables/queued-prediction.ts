import type { BmsError } from '@bms/contracts';
import { batchShape, type Tensor } from '@bms/tensor';
import type { CancelSignal } from '@bms/transport';
import type { Deadlined } from './deadline-heap';
import type { RunRequest } from './executor';
import { requestSizeBytes } from './request-size';
import type { Servable } from './servable';

/** One prediction that a caller waits for. */
export interface PredictCall {
  readonly servable: Servable;
  readonly request: RunRequest;
  /** When the caller stops waiting: milliseconds since 1970; undefined: never. */
  readonly deadlineMs: number | undefined;
  /** Aborted when the caller gave up; what waits is then dropped. */
  readonly signal: CancelSignal;
  /** Who asks, whatever that is called: requests of one caller share what one caller gets. */
  readonly caller: string;
}

export interface PredictAnswer {
  readonly outputs: readonly Tensor[];
  /** From arrival to the start of the run. */
  readonly queueUs: number;
  /** The run itself, also of the others that it answered. */
  readonly computeUs: number;
  /** Rows of the run, for one of its answers only; undefined for the others. */
  readonly batchRows: number | undefined;
}

/** A call without a deadline takes its place as if it had this one, so that it is not overtaken for ever. */
const PATIENCE_MS = 30_000;

/** A request in the queue, or on the device. */
export class QueuedPrediction implements Deadlined {
  readonly dueMs: number;
  readonly sizeBytes: number;
  /** Rows along dimension 0; 1 for what has none. */
  readonly rows: number;
  readonly answer: Promise<PredictAnswer>;
  private settle!: { resolve: (answer: PredictAnswer) => void; reject: (error: BmsError) => void };
  private pending = true;
  private key: string;
  private repeated = false;

  constructor(
    readonly call: PredictCall,
    readonly arrival: number,
    /** Monotonic milliseconds. */
    readonly arrivedMs: number,
    nowMs: number,
  ) {
    const { inputs, outputs } = call.request;
    const shape = batchShape(inputs);
    this.rows = shape?.rows ?? 1;
    this.key = shape === undefined ? '' : `${shape.key}${outputs.join('\n')}`;
    this.dueMs = call.deadlineMs ?? nowMs + PATIENCE_MS;
    this.sizeBytes = requestSizeBytes(call.request);
    this.answer = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
  }

  /** Equal for requests that can be joined: same datatypes, same dimensions but the first, same outputs. "": it runs alone. */
  get joinKey(): string {
    return this.key;
  }

  /** Somebody still waits for the answer. */
  get wanted(): boolean {
    return this.pending;
  }

  /** It ran in a batch that failed, and runs again by itself. */
  get isRepeated(): boolean {
    return this.repeated;
  }

  /** From now on it is joined to no other. */
  runAlone(): void {
    this.key = '';
  }

  /** The batch that it was in failed. */
  repeatAlone(): void {
    this.repeated = true;
    this.runAlone();
  }

  resolve(answer: PredictAnswer): void {
    this.pending = false;
    this.settle.resolve(answer);
  }

  reject(error: BmsError): void {
    this.pending = false;
    this.settle.reject(error);
  }
}
