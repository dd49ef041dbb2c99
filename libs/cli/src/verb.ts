import type { BmsClient } from '@bms/sdk';
import type { Command } from 'commander';
import type { CliContext } from './cli-context';
import { addGlobalOptions, readGlobalOptions, type GlobalOptions } from './global-options';
import { ProgressBar } from './progress-bar';
import type { Terminal } from './terminal';

/** One verb of the command line: what it is called, and what it does. */
export interface Verb<Options> {
  /** Name and arguments, as commander reads them: `push <name> <path>`. */
  readonly usage: string;
  /** One sentence for the list of verbs. */
  readonly summary: string;
  /** Under which heading the list of verbs shows it. */
  readonly group: VerbGroup;
  /** Lines to paste, shown by --help. */
  readonly examples: readonly string[];
  /** Further options and help. */
  readonly configure?: (command: Command) => void;
  /** Whatever it throws is said to the person by `explain.ts`, with the exit code. */
  readonly run: (session: Session, args: readonly string[], options: Options) => Promise<void>;
}

export type VerbGroup = 'Models:' | 'Predictions:' | 'Mesh:';

/** What a verb works with while it runs. */
export interface Session {
  readonly options: GlobalOptions;
  readonly terminal: Terminal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Connects on its first call; closed when the verb has ended. */
  readonly client: BmsClient;
  /** The result: `value` as JSON where --json was given, else the text. */
  print(value: unknown, text: () => string): void;
  /** A line for people beside the result; left out with --json. */
  note(line: string): void;
  /** Something that a person should know although it works out; on stderr, left out with --json. */
  warn(line: string): void;
  /** Shows how far a task is; nothing with --json. */
  progress(label: string): ProgressBar;
}

/** Adds a verb with the global options, its examples and its life: client, Ctrl-C, clean end. */
export function addVerb<Options>(program: Command, context: CliContext, verb: Verb<Options>): Command {
  const command = program.command(verb.usage).summary(verb.summary).description(`${verb.summary}.`);
  command.helpGroup(verb.group);
  verb.configure?.(command);
  addGlobalOptions(command.optionsGroup('Global options:'));
  const examples = verb.examples.map((line) => `  ${line}`).join('\n');
  command.addHelpText('after', `\nExample${verb.examples.length > 1 ? 's' : ''}:\n${examples}`);
  command.action(async (...received: readonly unknown[]) => {
    const args = command.processedArgs.filter((argument): argument is string => typeof argument === 'string');
    await runVerb(context, readGlobalOptions(command, context.env), (session) =>
      verb.run(session, args, received.at(-2) as Options),
    );
  });
  return command;
}

async function runVerb(
  context: CliContext,
  options: GlobalOptions,
  run: (session: Session) => Promise<void>,
): Promise<void> {
  const { terminal, now } = context;
  const interrupted = new AbortController();
  const stopListening = context.onInterrupt(() => interrupted.abort());
  const client = context.createClient({
    admin: options.admin,
    router: options.router,
    tenant: options.tenant,
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
  const progressTerminal = options.json ? { ...terminal, isInteractive: false, err: () => undefined } : terminal;
  try {
    await run({
      options,
      terminal,
      now,
      client,
      signal: interrupted.signal,
      print: (value, text) =>
        terminal.out(options.json ? `${JSON.stringify(value, null, 2)}\n` : ensureNewline(text())),
      note: (line) => (options.json ? undefined : terminal.out(`${line}\n`)),
      warn: (line) => (options.json ? undefined : terminal.err(`bms: ${line}\n`)),
      progress: (label) => new ProgressBar(label, progressTerminal, performance.now.bind(performance)),
    });
  } finally {
    stopListening();
    client.close();
  }
}

function ensureNewline(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
