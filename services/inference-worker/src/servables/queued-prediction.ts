import type { BmsError } from '@bms/contracts';
import type { Tensor } from '@bms/tensor';
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
  readonly signal: AbortSignal;
}

export interface PredictAnswer {
  readonly outputs: readonly Tensor[];
  /** From arrival to the start of the run. */
  readonly queueUs: number;
  /** The run itself. */
  readonly computeUs: number;
}

/** A call without a deadline takes its place as if it had this one, so that it is not overtaken for ever. */
const PATIENCE_MS = 30_000;

/** A request in the queue, or on the device. */
export class QueuedPrediction implements Deadlined {
  readonly dueMs: number;
  readonly sizeBytes: number;
  readonly answer: Promise<PredictAnswer>;
  private settle!: { resolve: (answer: PredictAnswer) => void; reject: (error: BmsError) => void };
  private pending = true;

  constructor(
    readonly call: PredictCall,
    readonly arrival: number,
    /** Monotonic milliseconds. */
    readonly arrivedMs: number,
    nowMs: number,
  ) {
    this.dueMs = call.deadlineMs ?? nowMs + PATIENCE_MS;
    this.sizeBytes = requestSizeBytes(call.request);
    this.answer = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
  }

  /** Somebody still waits for the answer. */
  get wanted(): boolean {
    return this.pending;
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
