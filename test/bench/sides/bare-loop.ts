import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** What to run; plain data, as JSON in the process' argument. */
export interface BareLoop {
  /** Path of the .onnx file. */
  readonly model: string;
  readonly input: string;
  readonly shape: readonly number[];
  /** Each with a session of its own and one thread in it. */
  readonly threads: number;
  readonly warmUpRuns: number;
  readonly runMs: number;
}

/** The runtime alone: what a worker could reach if nothing but the model took time. Runs a second of all threads. */
async function main(): Promise<void> {
  const loop = JSON.parse(process.argv[2] ?? '') as BareLoop;
  const threads = Array.from({ length: loop.threads }, () => new Worker(__filename, { workerData: loop }));
  const perSecond = await Promise.all(
    threads.map((thread) => {
      return new Promise<number>((resolve, reject) => thread.once('message', resolve).once('error', reject));
    }),
  );
  process.stdout.write(JSON.stringify({ perSecond: perSecond.reduce((sum, one) => sum + one, 0) }));
}

/** Runs a second of this thread. */
async function runThread({ model, input, shape, warmUpRuns, runMs }: BareLoop): Promise<number> {
  const session = await InferenceSession.create(model, {
    ...{ intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential' },
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  });
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const feeds = { [input]: new Tensor('float32', values, shape) };
  for (let run = 0; run < warmUpRuns; run++) await session.run(feeds);
  const startedMs = performance.now();
  let runs = 0;
  for (; performance.now() - startedMs < runMs; runs++) await session.run(feeds);
  return (runs / (performance.now() - startedMs)) * 1_000;
}

if (isMainThread) {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
} else {
  void runThread(workerData as BareLoop).then((perSecond) => parentPort?.postMessage(perSecond));
}
