/**
 * The thread of one replica: it makes the session and runs it, so that whatever blocks, blocks only here. Started by
 * `onnx-executor.ts`, with which it speaks `onnx-thread-messages.ts`.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { InferenceSession } from 'onnxruntime-node';
import { cleanRuntimeMessage, folderOf } from './onnx-message';
import { needsCpu } from './onnx-provider-options';
import { createSession, runOnce } from './onnx-session';
import type { RunMark } from './executor';
import type { FromThread, PackedOutcome, ThreadSpec, ToThread } from './onnx-thread-messages';

// onnxruntime-node 1.30 cannot read a Float16Array, which Node 24 has: it fails with "not enough space". Without the
// class its JavaScript side takes and gives FP16 as a Uint16Array of bits. It looks at its first tensor.
Reflect.deleteProperty(globalThis, 'Float16Array');

const port = parentPort;
if (port === null) throw new Error('onnx-executor-thread.js is no program: it is started by onnx-executor.js');
const spec = workerData as ThreadSpec;
const send = (message: FromThread, transfer: readonly ArrayBuffer[] = []): void =>
  port.postMessage(message, [...transfer]);
const folders = [...(spec.model.kind === 'file' ? [folderOf(spec.model.path)] : []), process.cwd()];
const clean = (message: string): string => cleanRuntimeMessage(message, folders);

void load().then(serve, (error: unknown) => {
  const message = clean(error instanceof Error ? error.message : String(error));
  send({ kind: 'not-loaded', message, needsCpu: needsCpu(message) });
  port.close();
});

async function load(): Promise<InferenceSession> {
  const startedMs = performance.now();
  const session = await createSession(spec);
  const { inputNames, outputNames } = session;
  send({ kind: 'loaded', model: { inputNames, outputNames, loadMs: performance.now() - startedMs } });
  return session;
}

function serve(session: InferenceSession): void {
  const mark = spec.runMark === undefined ? undefined : openRunMark(spec.runMark);
  const turn = async ({ id, runs, buffer }: Extract<ToThread, { kind: 'turn' }>): Promise<void> => {
    mark?.set(true);
    const outcomes: PackedOutcome[] = [];
    for (const run of runs) outcomes.push(await runOnce(session, run, buffer, clean, spec.answerLimitBytes));
    mark?.set(false);
    send({ kind: 'turn', id, outcomes }, memoryOf(outcomes));
  };
  let last: Promise<void> = Promise.resolve();
  port?.on('message', (message: ToThread) => {
    if (message.kind === 'turn') {
      last = last.then(() => turn(message));
      return;
    }
    last = last.then(async () => {
      mark?.close();
      await session.release();
      port?.close();
    });
  });
}

/** Two writes of one byte into the page cache, 2.5 µs a turn: what they say outlives a crash of the process. */
function openRunMark({ file, byteOffset }: RunMark): { set(running: boolean): void; close(): void } {
  const fd = openSync(file, constants.O_CREAT | constants.O_WRONLY); // the others' marks stay
  const [idle, running] = [Buffer.from('0'), Buffer.from('1')];
  return { set: (on) => void writeSync(fd, on ? running : idle, 0, 1, byteOffset), close: () => closeSync(fd) };
}

function memoryOf(outcomes: readonly PackedOutcome[]): ArrayBuffer[] {
  const buffers = outcomes.flatMap((outcome) =>
    outcome.kind === 'answered' ? outcome.outputs.map(({ data }) => data.buffer as ArrayBuffer) : [],
  );
  return [...new Set(buffers)];
}
