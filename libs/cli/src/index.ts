import { processContext } from './cli-context';
import { EXIT } from './explain';
import { runProgram } from './program';

/** The command line: runs what stands behind `bms` and ends the process with the exit code. */
export function main(argv: readonly string[]): void {
  // Whoever reads our output may have seen enough: "npx bms models | head".
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  void runProgram(processContext(), argv).then((exitCode) => {
    // A command that runs services has set the exit code of what it ran.
    if (exitCode !== 0) process.exitCode = exitCode;
  });
}
