import { BmsError, Reason, reasonName, type FieldViolation } from '@bms/contracts';
import { StartError } from '@bms/lifecycle';
import { SettingsError } from '@bms/settings';
import { CommanderError } from 'commander';
import { UsageError } from './usage-error';

/** How the process ends. Documented in --help. */
export const EXIT = {
  ok: 0,
  /** It was understood and could not be done. */
  failed: 1,
  /** What was typed, or what a file holds, is wrong. */
  usage: 2,
  /** Nobody answered at the address, or nobody behind it. */
  unreachable: 3,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

/** What a person is told about an error. */
export interface Explanation {
  readonly exitCode: number;
  /** The reason's name for programs. */
  readonly reason: string;
  /** What went wrong, one sentence. */
  readonly sentence: string;
  /** What to do about it; "" where the sentence says it. */
  readonly advice: string;
  readonly violations: readonly FieldViolation[];
}

/** Every error of the command line goes through here, once. */
export function explain(error: unknown): Explanation {
  if (BmsError.is(error)) {
    const advice = ADVICE[error.reason] ?? '';
    const { message, violations } = error;
    return {
      exitCode: exitCodeOf(error.reason),
      reason: reasonName(error.reason),
      sentence: message,
      advice,
      violations,
    };
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return { exitCode: EXIT.interrupted, reason: 'CANCELLED', sentence: 'given up', advice: '', violations: [] };
  }
  const isUsage = error instanceof UsageError || error instanceof SettingsError || error instanceof CommanderError;
  return {
    exitCode: isUsage
      ? EXIT.usage
      : error instanceof StartError && error.mayHelpToWait
        ? EXIT.unreachable
        : EXIT.failed,
    reason: isUsage ? 'USAGE' : 'FAILED',
    sentence: isForeseen(error) ? error.message.replace(/^error: /, '') : describeUnforeseen(error),
    advice: error instanceof CommanderError ? '"npx bms VERB --help" shows what a verb takes.' : '',
    violations: [],
  };
}

/** The text for stderr. */
export function explanationText({ sentence, advice }: Explanation): string {
  return `bms: ${sentence}\n${advice === '' ? '' : `     ${advice}\n`}`;
}

function exitCodeOf(reason: Reason): number {
  switch (reason) {
    case Reason.INVALID_REQUEST:
    case Reason.INVALID_TENSOR:
    case Reason.INVALID_MODEL:
    case Reason.INVALID_CONFIG:
    case Reason.MESSAGE_TOO_LARGE:
      return EXIT.usage;
    case Reason.CONNECTION_FAILED:
    case Reason.STORE_UNAVAILABLE:
      return EXIT.unreachable;
    case Reason.CANCELLED:
      return EXIT.interrupted;
    default:
      return EXIT.failed;
  }
}

const ADVICE: Partial<Readonly<Record<Reason, string>>> = {
  [Reason.CONNECTION_FAILED]:
    'Is the mesh running? "npm start" starts one; --admin, --router or --port-base say where another one is.',
  [Reason.UNAUTHENTICATED]: "Run it where the mesh's data folder is, say --data FOLDER, or put the token in BMS_TOKEN.",
  [Reason.MODEL_NOT_FOUND]: '"npx bms models" lists the models that are there.',
  [Reason.VERSION_NOT_FOUND]: '"npx bms versions NAME" lists the versions that are there.',
  [Reason.LABEL_NOT_FOUND]: '"npx bms models" lists labels; "npx bms label NAME LABEL=N" sets one.',
  [Reason.NO_ACTIVE_VERSION]: '"npx bms activate NAME@N" makes a version the one that answers.',
  [Reason.VERSION_OFFLINE]: '"npx bms publish NAME@N" brings it to the workers.',
  [Reason.IN_USE]: '"--force" takes it from its callers.',
  [Reason.CONFLICT]: 'Look at "npx bms status" and decide again.',
  [Reason.NOT_READY]: '"npx bms status" shows what the workers are at; "npx bms publish NAME@N --wait" waits for it.',
  [Reason.OUTCOME_UNKNOWN]: 'Look with "npx bms versions NAME" whether it has happened before trying again.',
  [Reason.WORKER_LOST]: 'Try again; where something was to be changed, look with "npx bms status" first.',
  [Reason.STORE_UNAVAILABLE]: 'Try again in a moment.',
  [Reason.STORE_IN_DOUBT]: '"npx bms store accept" shows what is known and what was found, and how to decide.',
  [Reason.OVERLOADED]: 'Try again in a moment.',
  [Reason.DEADLINE_EXCEEDED]: 'Say --timeout to wait longer; "npx bms status" shows what the mesh is at.',
  [Reason.DIGEST_MISMATCH]: 'Push again: the file changed meanwhile, or was damaged on its way.',
  [Reason.INTERNAL]: 'This is a bug in BMS; the logs are in the "logs" folder of the data folder.',
};

/** Errors whose message is written for people. */
function isForeseen(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return (
    error instanceof UsageError ||
    error instanceof SettingsError ||
    error instanceof CommanderError ||
    error instanceof StartError ||
    error.constructor === Error ||
    (error as NodeJS.ErrnoException).syscall !== undefined
  );
}

/** A mistake of ours: whoever reports it needs the stack. */
function describeUnforeseen(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
