import { BmsClient, type BmsClientOptions } from '@bms/sdk';
import { EXIT } from './explain';
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
    onInterrupt: listenForCtrlC,
    createClient: (options) => new BmsClient(options),
  };
}

/** npx passes a Ctrl-C on to a child that has had it from the terminal already: within this time both are one. */
const SAME_KEYSTROKE_MS = 1_000;

/** The first Ctrl-C asks for an end, a later one is the end. */
function listenForCtrlC(listener: () => void): () => void {
  let firstMs: number | undefined;
  const onSignal = (): void => {
    if (firstMs === undefined) {
      firstMs = performance.now();
      listener();
    } else if (performance.now() - firstMs > SAME_KEYSTROKE_MS) {
      process.exit(EXIT.interrupted);
    }
  };
  process.on('SIGINT', onSignal);
  return () => process.off('SIGINT', onSignal);
}
