import type { models } from '@bms/contracts';
import { byteSize, datatypeOf, elementCount, type Tensor } from '@bms/tensor';
import type { Clock } from '../clock';
import { alone, type Executor, type RunRequest } from '../servables/executor';
import { orStuck } from '../servables/or-stuck';

/** Warm-up ends after this many runs or this long, whichever is first; every example runs once. */
const RUNS = 32;
const ENOUGH_MS = 500;
/** A made-up input beyond this would only cost memory. */
const INPUT_MAX_BYTES = 256 * 1024 * 1024;

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
    const [outcome] = await orStuck(executor.run([alone(example)]), clock, signal);
    if (outcome !== undefined && outcome.kind !== 'answered') return outcome.message;
  }
  return undefined;
}
