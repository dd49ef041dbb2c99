import { processContext } from './cli-context';
import { runProgram } from './program';

/** The command line: runs what stands behind `bms` and ends the process with the exit code. */
export function main(argv: readonly string[]): void {
  void runProgram(processContext(), argv).then((exitCode) => {
    // A command that runs services has set the exit code of what it ran.
    if (exitCode !== 0) process.exitCode = exitCode;
  });
}
