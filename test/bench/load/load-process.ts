import type { LoadJob } from './load-job';
import { LoadRun } from './load-run';

/** The load generator's process: a job as JSON in its argument, a result as JSON on its output. */
async function main(): Promise<void> {
  const job = JSON.parse(process.argv[2] ?? '') as LoadJob;
  process.stdout.write(JSON.stringify(await new LoadRun(job).result()));
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
