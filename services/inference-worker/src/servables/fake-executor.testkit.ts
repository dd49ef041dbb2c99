import { concatRows, splitRows, type Tensor } from '@bms/tensor';
import {
  ExecutorLostError,
  type Executor,
  type ExecutorSpec,
  type LoadedModel,
  type RunBatch,
  type RunOutcome,
  type RunRequest,
} from './executor';

interface Turn {
  readonly batches: readonly RunBatch[];
  /** Each batch as one request. */
  readonly requests: readonly RunRequest[];
  readonly resolve: (outcomes: readonly RunOutcome[]) => void;
  readonly reject: (error: Error) => void;
}

/** A batch as the model sees it. */
function joined({ requests, paddingRows }: RunBatch): RunRequest {
  const [first, ...others] = requests;
  if (first === undefined) throw new Error('a batch without requests');
  if (others.length === 0 && paddingRows === 0) return first;
  const input = (at: number): Tensor => {
    const tensors = requests.flatMap(({ inputs }) => inputs[at] ?? []);
    const last = tensors.at(-1) as Tensor;
    const row = splitRows(last, [(last.shape[0] ?? 1) - 1, 1])[1] as Tensor;
    return concatRows([...tensors, ...Array.from({ length: paddingRows }, () => row)]);
  };
  return { inputs: first.inputs.map((_, at) => input(at)), outputs: first.outputs };
}

/** An executor whose loads and turns end when the test says so. */
export class FakeExecutor implements Executor {
  readonly lost: Promise<string>;
  readonly ended: Promise<void>;
  /** Its thread is gone. */
  end: () => void = () => undefined;
  private sayLost: (why: string) => void = () => undefined;
  private endLoad: { resolve: (model: LoadedModel) => void; reject: (error: Error) => void } | undefined;
  /** Turns that run now, the first one first. */
  readonly turns: Turn[] = [];
  closed = false;
  /** What `close` answers. */
  closes = true;
  /** Answers every turn at once where set. */
  answer: ((request: RunRequest) => RunOutcome) | undefined;

  constructor(readonly spec?: ExecutorSpec) {
    this.lost = new Promise((resolve) => (this.sayLost = resolve));
    this.ended = new Promise((resolve) => (this.end = resolve));
  }

  async load(signal: AbortSignal): Promise<LoadedModel> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', giveUp);
      const loaded = (model: LoadedModel): void => {
        signal.removeEventListener('abort', giveUp);
        resolve(model);
      };
      this.endLoad = { resolve: loaded, reject };
    });
  }

  loaded(): void {
    this.endLoad?.resolve({ inputNames: ['x'], outputNames: ['y'], loadMs: 1 });
  }

  failLoad(message: string): void {
    this.rejectLoad(new Error(message));
  }

  rejectLoad(error: Error): void {
    this.endLoad?.reject(error);
  }

  async run(batches: readonly RunBatch[]): Promise<readonly RunOutcome[]> {
    const requests = batches.map(joined);
    if (this.answer !== undefined) return requests.map(this.answer);
    return new Promise((resolve, reject) => this.turns.push({ batches, requests, resolve, reject }));
  }

  /** Ends the first turn; each of its requests is answered with its inputs. */
  finishTurn(computeUs = 100): readonly RunRequest[] {
    const turn = this.turns.shift();
    if (turn === undefined) throw new Error('no turn runs');
    turn.resolve(turn.requests.map(({ inputs }) => ({ kind: 'answered', outputs: inputs, computeUs })));
    return turn.requests;
  }

  lose(why: string): void {
    for (const turn of this.turns.splice(0)) turn.reject(new ExecutorLostError(why, true));
    this.sayLost(why);
  }

  async close(): Promise<boolean> {
    this.closed = true;
    if (this.closes) this.end();
    return this.closes;
  }
}
