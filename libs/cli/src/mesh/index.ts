import type { Command } from 'commander';
import { settingsHelp } from '@bms/settings';
import type { CliContext } from '../cli-context';
import type { ServiceKind } from './mesh-plan';
import { meshSchema } from './mesh-settings';
import { runOneService } from './run-one-service';
import { up } from './up';

const SERVICES: Readonly<Record<string, ServiceKind>> = {
  registry: 'registry',
  router: 'router',
  worker: 'inference-worker',
  admin: 'admin',
};

/** Adds `bms up` and the commands that run one service. Their flags are settings: see libs/settings. */
export function addMeshCommands(program: Command, context: CliContext): void {
  settingsCommand(program, 'up', 'Run a whole mesh on this machine until Ctrl-C')
    .addHelpText(
      'after',
      `\nSettings:\n${settingsHelp(meshSchema)}\n\nExample:\n  npx bms up --workers 4 --port-base 18500`,
    )
    .action(async (flags: readonly string[]) => up(context, { argv: flags, env: context.env }));
  for (const [word, kind] of Object.entries(SERVICES)) {
    settingsCommand(program, word, `Run one ${kind} in the foreground`)
      .helpOption(false) // the service answers --help itself: it knows its settings
      .action(async (flags: readonly string[]) => {
        process.exit(await runOneService(kind, flags));
      });
  }
}

/** A command whose flags are read by a settings schema, not by commander. */
function settingsCommand(program: Command, name: string, description: string): Command {
  return program
    .command(`${name} [settings...]`)
    .description(description)
    .helpGroup('Mesh:')
    .allowUnknownOption()
    .allowExcessArguments();
}
