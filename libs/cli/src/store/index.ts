import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { addAcceptCommand } from './accept';
import { addTransferCommands } from './transfer';

/** Adds `bms store export|import|accept`: what is done with the store of a mesh as a whole. */
export function addStoreCommands(program: Command, context: CliContext): void {
  const store = program
    .command('store')
    .summary('Move a mesh between stores; decide about a store in doubt')
    .description('Move a mesh between stores, or decide about a store that was wiped or restored.')
    .helpGroup('Mesh:')
    .helpCommand(false)
    .enablePositionalOptions()
    .addHelpText('after', '\nExample:\n  npx bms store export ./backup');
  addTransferCommands(store, context);
  addAcceptCommand(store, context);
}
