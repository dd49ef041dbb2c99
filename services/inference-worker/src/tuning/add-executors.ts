import type { Clock } from '../clock';
import { orStuck, StuckError } from '../servables/or-stuck';
import type { Executor, RunBatch } from '../servables/executor';

/** How long each number of executors is measured at a time, and how often in turn with one more: the median counts. */
const MEASURE_MS = 60;
const ROUNDS = 3;
/** What one more must win of what it would if the device had a whole place for it. */
const SHARE_OF_IDEAL = 0.5;

export interface AddExecutorsParts {
  /** Loads one more and warms it up; where that fails, nothing of it is left. */
  readonly another: () => Promise<Executor>;
  /** Whether memory for one more is there. */
  readonly fits: () => boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Loads executors until there are so many, or memory ends. Where one fails to load, those before it are closed. */
export async function fixedExecutors(
  first: Executor,
  count: number,
  parts: AddExecutorsParts,
): Promise<readonly Executor[]> {
  const executors = [first];
  try {
    while (executors.length < count && parts.fits()) executors.push(await parts.another());
    return executors;
  } catch (error) {
    await Promise.all(executors.slice(1).map((executor) => executor.close()));
    throw error;
  }
}

/**
 * Loads executors one by one as long as the device is fed better by each: together they must run `turn` at a rate that is
 * higher by half of what a core of its own for the new one would bring. At most `most`, and within memory. The one that
 * brought too little is closed again, and one that cannot be loaded is done without. Throws StuckError, ExecutorLostError.
 */
export async function measuredExecutors(
  first: Executor,
  most: number,
  turn: readonly RunBatch[],
  parts: AddExecutorsParts,
): Promise<readonly Executor[]> {
  let executors: readonly Executor[] = [first];
  while (executors.length < most && parts.fits()) {
    const next = await oneMore(parts);
    if (next === undefined) return executors;
    if ((await gainOf(executors, next, turn, parts)) < 1 + SHARE_OF_IDEAL / executors.length) {
      await next.close();
      return executors;
    }
    executors = [...executors, next];
  }
  return executors;
}

/** undefined where it cannot be loaded, although the first could: most likely for lack of memory. */
async function oneMore({ another, signal }: AddExecutorsParts): Promise<Executor | undefined> {
  try {
    return await another();
  } catch (error) {
    if (error instanceof StuckError || signal.aborted) throw error;
    return undefined;
  }
}

/** How many times as many turns run with one more executor. */
async function gainOf(
  executors: readonly Executor[],
  next: Executor,
  turn: readonly RunBatch[],
  parts: AddExecutorsParts,
): Promise<number> {
  const gains: number[] = [];
  while (gains.length < ROUNDS) {
    const rate = await turnsPerMs(executors, turn, parts);
    gains.push((await turnsPerMs([...executors, next], turn, parts)) / rate);
  }
  return gains.sort((one, other) => one - other)[Math.floor(ROUNDS / 2)] ?? 0;
}

async function turnsPerMs(
  executors: readonly Executor[],
  turn: readonly RunBatch[],
  { clock, signal }: AddExecutorsParts,
): Promise<number> {
  const startedMs = clock.monotonic();
  const passedMs = (): number => clock.monotonic() - startedMs;
  let turns = 0;
  const feed = async (executor: Executor): Promise<void> => {
    do {
      await orStuck(executor.run(turn), clock, signal);
      turns++;
    } while (passedMs() < MEASURE_MS);
  };
  await Promise.all(executors.map(feed));
  return turns / passedMs();
}
