import { BmsClient, type BmsClientOptions } from '@bms/sdk';
import { processTerminal, type Terminal } from './terminal';

/** What the command line takes from its process, so that a test can put something else there. */
export interface CliContext {
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Calls `listener` on Ctrl-C until the answer is called. */
  readonly onInterrupt: (listener: () => void) => () => void;
  readonly createClient: (options: BmsClientOptions) => BmsClient;
}

export function processContext(): CliContext {
  return {
    terminal: processTerminal(),
    env: process.env,
    now: Date.now,
    onInterrupt: (listener) => {
      process.on('SIGINT', listener);
      return () => process.off('SIGINT', listener);
    },
    createClient: (options) => new BmsClient(options),
  };
}
