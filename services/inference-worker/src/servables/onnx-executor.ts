import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { assertNever } from '@bms/contracts';
import {
  ExecutorLostError,
  ProviderCannotRunError,
  type Executor,
  type ExecutorSpec,
  type LoadedModel,
  type RunBatch,
  type RunOutcome,
} from './executor';
import type { FromThread, ThreadSpec, ToThread } from './onnx-thread-messages';
import { packTurn, unpackOutcome } from './onnx-turn';

/** How long `close` waits for a run that goes on before it leaves the thread to itself. */
const CLOSE_WITHIN_MS = 5_000;

/** node cannot load TypeScript into a thread, so that specs, which run from the sources, use the build's. */
const THREAD_FILE = __filename.endsWith('.ts')
  ? join(dirname(__dirname), '..', 'dist', 'servables', 'onnx-executor-thread.js')
  : join(__dirname, 'onnx-executor-thread.js');

/**
 * - `new`: no thread yet
 * - `loading`: the thread makes the session
 * - `loaded`: turns can run
 * - `closing`: told to end
 * - `ended`: the thread is gone; `why` is undefined where that was asked for
 */
type State =
  | { readonly kind: 'new' }
  | { readonly kind: 'loading'; readonly worker: Worker; readonly settle: Settle<LoadedModel> }
  | { readonly kind: 'loaded'; readonly worker: Worker }
  | { readonly kind: 'closing'; readonly worker: Worker }
  | { readonly kind: 'ended'; readonly why: string | undefined };

interface Settle<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** An {@link Executor} that holds an ONNX Runtime session in a thread of its own. */
export class OnnxExecutor implements Executor {
  readonly lost: Promise<string>;
  readonly ended: Promise<void>;
  private sayEnded: () => void = () => undefined;
  private sayLost: (why: string) => void = () => undefined;
  private state: State = { kind: 'new' };
  private readonly turns = new Map<number, Settle<readonly RunOutcome[]>>();
  private lastTurn = 0;

  constructor(private readonly spec: ThreadSpec) {
    this.lost = new Promise((resolve) => (this.sayLost = resolve));
    this.ended = new Promise((resolve) => (this.sayEnded = resolve));
  }

  /**
   * As {@link ExecutorFactory} wants it.
   * @param answerLimitBytes what the outputs of one run may take together; a run beyond it is `oversized`
   */
  static of(spec: ExecutorSpec, answerLimitBytes: number): OnnxExecutor {
    return new OnnxExecutor({
      model: { kind: 'file', path: spec.modelFile },
      provider: spec.device.provider,
      deviceIndex: spec.device.index,
      intraOpThreads: spec.intraOpThreads,
      graphOptimization: spec.graphOptimization,
      providerOptions: spec.providerOptions,
      runMark: spec.runMark,
      answerLimitBytes,
    });
  }

  async load(signal: AbortSignal): Promise<LoadedModel> {
    if (this.state.kind !== 'new') throw new Error('an executor loads once');
    signal.throwIfAborted();
    const worker = new Worker(THREAD_FILE, { name: 'onnx-executor', workerData: this.spec });
    const giveUp = (): void => this.end('the load was given up');
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await new Promise<LoadedModel>((resolve, reject) => {
        this.state = { kind: 'loading', worker, settle: { resolve, reject } };
        worker.on('message', (message: FromThread) => this.receive(message));
        worker.on('messageerror', (error) => this.end(`a message of its thread cannot be read: ${error.message}`));
        worker.on('error', (error) => this.end(`its thread failed: ${error.message}`));
        worker.once('exit', () => this.sayEnded());
        worker.on('exit', (code) => this.end(`its thread ended by itself (code ${code})`));
      });
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  async run(batches: readonly RunBatch[]): Promise<readonly RunOutcome[]> {
    this.loadedWorker();
    const packing = packTurn(batches);
    const { buffer, runs } = packing instanceof Promise ? await packing : packing;
    const worker = this.loadedWorker(); // packing may have taken a while
    const id = ++this.lastTurn;
    return new Promise((resolve, reject) => {
      this.turns.set(id, { resolve, reject });
      worker.postMessage({ kind: 'turn', id, buffer, runs } satisfies ToThread, [buffer]);
    });
  }

  private loadedWorker(): Worker {
    const { state } = this;
    if (state.kind !== 'loaded') throw new ExecutorLostError(whyNot(state), false);
    return state.worker;
  }

  async close(): Promise<boolean> {
    const { state } = this;
    if (state.kind === 'new') {
      this.state = { kind: 'ended', why: undefined };
      this.sayEnded();
    }
    if (!('worker' in state)) return true;
    const { worker } = state;
    const exited = new Promise<true>((resolve) => worker.once('exit', () => resolve(true)));
    if (state.kind === 'loading') {
      this.end('closed while it was loading');
    } else {
      this.state = { kind: 'closing', worker };
      worker.postMessage({ kind: 'close' } satisfies ToThread);
    }
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), CLOSE_WITHIN_MS)));
    try {
      const ended = await Promise.race([exited, tooLong]);
      if (!ended) this.end('its last run does not return');
      return ended;
    } finally {
      clearTimeout(timer);
    }
  }

  private receive(message: FromThread): void {
    switch (message.kind) {
      case 'loaded':
        if (this.state.kind !== 'loading') return;
        this.state.settle.resolve(message.model);
        this.state = { kind: 'loaded', worker: this.state.worker };
        return;
      case 'not-loaded':
        this.end(message.message, message.needsCpu ? ProviderCannotRunError : Error);
        return;
      case 'turn':
        this.turns.get(message.id)?.resolve(message.outcomes.map(unpackOutcome));
        this.turns.delete(message.id);
        return;
      default:
        assertNever(message);
    }
  }

  /** The thread is gone, or is given up: whoever waits for it learns why. Only the first call has an effect. */
  private end(why: string, LoadError: new (message: string) => Error = Error): void {
    const { state } = this;
    if (!('worker' in state)) return;
    const asked = state.kind === 'closing';
    this.state = { kind: 'ended', why: asked ? undefined : why };
    for (const turn of this.turns.values()) turn.reject(new ExecutorLostError(why, true));
    this.turns.clear();
    // A thread in native code ends when that returns, if ever: do not wait for it, nor let it keep the process.
    void state.worker.terminate();
    state.worker.unref();
    if (state.kind === 'loading') state.settle.reject(new LoadError(why));
    else if (!asked) this.sayLost(why);
  }
}

function whyNot(state: Exclude<State, { kind: 'loaded' }>): string {
  switch (state.kind) {
    case 'new':
    case 'loading':
      return 'the model is not loaded yet';
    case 'closing':
      return 'the model is being unloaded';
    case 'ended':
      return state.why ?? 'the model was unloaded';
    default:
      return assertNever(state);
  }
}
