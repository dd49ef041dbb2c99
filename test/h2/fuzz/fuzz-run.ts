import { H2Channel } from '@bms/h2';
import { Target, TargetPath } from '@bms/h2/testkit';
import { Coverage } from './coverage';
import { FuzzCase } from './fuzz-case';

const BATCH = 40;
const MIB = 2 ** 20;
/** What the process may have more at the end than after a tenth of the run, its garbage collected (`--expose-gc`). */
const GROWTH_MOST_BYTES = 16 * MIB;

/** Connections that were ended for what they sent are kept for so long, so that their peers can read why. */
const LINGER_MS = 1_500;

const LOOKS = 6;

export interface FuzzOptions {
  readonly seed: number;
  /** How many bent frames are sent at least. */
  readonly frames: number;
  /** Told after each batch, with the index of the next case. */
  readonly onProgress: (nextCase: number, frames: number) => void;
}

/** Sends bent sessions in batches to a server and to clients, all in this process. Throws with what has to be replayed. */
export class FuzzRun {
  readonly coverage = new Coverage();
  cases = 0;
  private readonly escaped: unknown[] = [];

  constructor(private readonly options: FuzzOptions) {}

  async run(): Promise<void> {
    const escape = (error: unknown): void => void this.escaped.push(error);
    process.on('uncaughtException', escape).on('unhandledRejection', escape);
    const target = await Target.start();
    let baseBytes: number | undefined;
    while (this.coverage.frames < this.options.frames) {
      await this.batch(target);
      target.letGo();
      this.options.onProgress(this.cases, this.coverage.frames);
      if (this.coverage.frames >= this.options.frames / 10) baseBytes ??= await usedBytes();
    }
    const growthBytes = (await usedBytes()) - (baseBytes ?? 0);
    if (growthBytes > GROWTH_MOST_BYTES)
      throw new Error(`the process has grown by ${Math.round(growthBytes / MIB)} MiB`);
    await target.close();
    process.off('uncaughtException', escape).off('unhandledRejection', escape);
  }

  private async batch(target: Target): Promise<void> {
    const batch = Array.from({ length: BATCH }, (_, i) => new FuzzCase(this.options.seed, this.cases + i));
    this.cases += BATCH;
    const outcomes = await Promise.allSettled(batch.map((one) => one.run(target)));
    for (const one of batch) this.coverage.add(one.frames);
    const failures = outcomes.flatMap((outcome, i) =>
      outcome.status === 'rejected' ? [`${String(outcome.reason)}: ${batch[i]?.replay}`] : [],
    );
    failures.push(...this.escaped.map((error) => `an exception escaped: ${stackOf(error)}`));
    failures.push(...target.internalErrors.map((error) => `told as a bug: ${stackOf(error)}`));
    const good = await goodCall(target).catch((error: unknown) => `a good call afterwards failed: ${stackOf(error)}`);
    if (good !== undefined) failures.push(good);
    if (failures.length === 0) return;
    const ofBatch = batch.map(({ index }) => index).join(', ');
    throw new Error(
      [...failures, `seed ${this.options.seed}, one of the cases ${ofBatch}; each: ${batch[0]?.replay}`].join('\n'),
    );
  }
}

/** Undefined when it was answered as it must be. */
async function goodCall(target: Target): Promise<string | undefined> {
  const channel = new H2Channel(`127.0.0.1:${target.port}`);
  try {
    const answer = await channel.unary(TargetPath.ECHO, Buffer.from('good'), { deadlineMs: Date.now() + 10_000 });
    return Buffer.from(answer).toString() === 'good' ? undefined : 'a good call afterwards was answered wrongly';
  } finally {
    channel.close();
  }
}

/** The least of several looks: what is outside the heap goes only some turns after what has held it. */
async function usedBytes(): Promise<number> {
  let leastBytes = Infinity;
  for (let look = 0; look < LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS / 2));
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    leastBytes = Math.min(leastBytes, heapUsed + external);
  }
  return leastBytes;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
