import type { models } from '@bms/contracts';
import { byteSize, datatypeOf, elementCount, type Tensor } from '@bms/tensor';
import type { Clock } from '../clock';
import type { Executor, RunRequest } from '../servables/executor';

/** Warm-up ends after this many runs or this long, whichever is first; every example runs once. */
const RUNS = 32;
const ENOUGH_MS = 500;
/** A run that takes longer than this is taken to never return. */
export const RETURNS_WITHIN_MS = 60_000;
/** A made-up input beyond this would only cost memory. */
const INPUT_MAX_BYTES = 256 * 1024 * 1024;

/** A run did not return: its thread is lost, and trying again would lose another. */
export class StuckError extends Error {
  override readonly name = 'StuckError';
  constructor(
    message: string,
    /** Resolves should the thread end after all. */
    readonly threadEnded: Promise<void> = new Promise(() => undefined),
  ) {
    super(message);
  }
}

/** Input that no caller sent: unknown dimensions are 1, strings are empty, all else is zero. */
export function madeUpInputs(signature: models.Signature): readonly Tensor[] {
  return signature.inputs.map(({ name, datatype: text, shape: dimensions, unranked }) => {
    const datatype = datatypeOf(text);
    const shape = unranked ? [1] : dimensions.map((size) => (size < 0n ? 1 : Number(size)));
    if (datatype === 'BYTES') {
      return { name, datatype, shape, elements: Array.from({ length: elementCount(shape) }, () => new Uint8Array()) };
    }
    const sizeBytes = byteSize(datatype, shape);
    if (sizeBytes > INPUT_MAX_BYTES) throw new Error(`input "${name}" is too large to be made up (${sizeBytes} bytes)`);
    return { name, datatype, shape, data: new Uint8Array(sizeBytes) };
  });
}

/**
 * Runs the examples over and over for a while, so that the first caller does not pay for what a first run sets up.
 * They take no permit of the device, as loading takes none: a run that takes long would hold up all that is served.
 * Answers why the model refused, if it did. Throws {@link StuckError}, and ExecutorLostError.
 */
export async function warmUp(
  executor: Executor,
  examples: readonly RunRequest[],
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  const startedMs = clock.monotonic();
  for (let run = 0; run < RUNS || run < examples.length; run++) {
    if (run >= examples.length && clock.monotonic() - startedMs >= ENOUGH_MS) return undefined;
    const example = examples[run % examples.length];
    if (example === undefined) return undefined;
    const [outcome] = await orStuck(executor.run([example]), clock, signal);
    if (outcome !== undefined && outcome.kind !== 'answered') return outcome.message;
  }
  return undefined;
}

async function orStuck<T>(run: Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  const ended = new AbortController();
  const late = clock.wait(RETURNS_WITHIN_MS, AbortSignal.any([ended.signal, signal])).then((): never => {
    signal.throwIfAborted();
    throw new StuckError(`its warm-up run did not return within ${RETURNS_WITHIN_MS / 1000} s`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([run, late]);
  } finally {
    ended.abort();
    run.catch(() => undefined);
  }
}
