import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import type { CliContext } from './cli-context';
import { EXIT, explain, explanationText } from './explain';
import { addGlobalOptions } from './global-options';
import { addMeshCommands } from './mesh';
import { SaidError } from './said-error';
import { addStoreCommands } from './store';
import { addActivateCommand } from './verbs/activate';
import { addLabelCommand } from './verbs/label';
import { addLoadCommand } from './verbs/load';
import { addModelsCommand } from './verbs/models';
import { addPredictCommand } from './verbs/predict';
import { addPullCommand } from './verbs/pull';
import { addPushCommand } from './verbs/push';
import { addRollbackCommand } from './verbs/rollback';
import { addDeleteCommand, addOfflineCommand, addPublishCommand } from './verbs/set-state';
import { addStatusCommand } from './verbs/status';
import { addVersionsCommand } from './verbs/versions';

const EXIT_CODES = `
Exit codes: 0 done; 1 failed; 2 what was typed (or a file) is wrong; 3 nobody answered at the address; 130 Ctrl-C.
"npx bms VERB --help" shows a verb's options and an example.`;

/** In the order in which --help lists them. */
const COMMANDS: readonly ((program: Command, context: CliContext) => unknown)[] = [
  addPushCommand,
  addPullCommand,
  addModelsCommand,
  addVersionsCommand,
  addPublishCommand,
  addActivateCommand,
  addRollbackCommand,
  addLabelCommand,
  addOfflineCommand,
  addDeleteCommand,
  addPredictCommand,
  addLoadCommand,
  addMeshCommands,
  addStatusCommand,
  addStoreCommands,
];

/** The whole command line. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('bms')
    .description('Big Model Serving: push ONNX models, predict through one address.')
    .helpCommand(false)
    .enablePositionalOptions() // what stands behind a verb is the verb's
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => context.terminal.out(text),
      writeErr: (text) => context.terminal.err(text),
      outputError: () => undefined, // explain.ts says it
      getOutHelpWidth: () => context.terminal.columns,
      getErrHelpWidth: () => context.terminal.columns,
    })
    .exitOverride()
    .addHelpText('after', EXIT_CODES);
  addGlobalOptions(program.optionsGroup('Global options:'));
  program.version(packageVersion(), '-V, --version', 'the version of BMS').helpOption('-h, --help', 'this text');
  for (const addCommand of COMMANDS) addCommand(program, context);
  return program;
}

function packageVersion(): string {
  const text = readFileSync(join(__dirname, '../package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** Runs what was typed; answers the exit code. */
export async function runProgram(context: CliContext, argv: readonly string[]): Promise<number> {
  const program = buildProgram(context);
  try {
    if (argv.length === 0) program.help();
    await program.parseAsync([...argv], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok; // --help
    if (error instanceof SaidError) return EXIT.failed;
    const explanation = explain(error);
    context.terminal.err(
      argv.includes('--json') ? `${JSON.stringify({ error: explanation })}\n` : explanationText(explanation),
    );
    return explanation.exitCode;
  }
}
