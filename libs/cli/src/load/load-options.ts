import { UsageError } from '../usage-error';

/** As typed. */
export interface LoadFlags {
  readonly rate: string;
  readonly seconds: string;
  readonly concurrencyLimit: string;
  readonly deadlineMs: string;
  readonly attempts: string;
  readonly input?: string;
}

export interface LoadOptions {
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly concurrencyLimit: number;
  readonly deadlineMs: number;
  /** How often the client tries a request in all. */
  readonly attempts: number;
  readonly input: string | undefined;
}

/** A day. */
const SECONDS_MAX = 86_400;

export const LOAD_DEFAULTS = {
  rate: '100',
  seconds: '30',
  concurrencyLimit: '10000',
  deadlineMs: '5000',
  attempts: '1',
} as const;

/** Throws UsageError that names the option and what is allowed. */
export function parseLoadOptions(flags: LoadFlags): LoadOptions {
  return {
    ratePerSecond: whole(flags.rate, '--rate', 1, 100_000),
    seconds: secondsOf(flags.seconds),
    concurrencyLimit: whole(flags.concurrencyLimit, '--concurrency-limit', 1, 100_000),
    deadlineMs: whole(flags.deadlineMs, '--deadline-ms', 1, 3_600_000),
    attempts: whole(flags.attempts, '--attempts', 1, 1_000),
    input: flags.input,
  };
}

function secondsOf(text: string): number {
  const value = /^[0-9]{1,5}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : NaN;
  if (value > 0 && value <= SECONDS_MAX) return value;
  throw new UsageError(`--seconds is ${JSON.stringify(text)}: a number above 0, up to ${SECONDS_MAX}, is allowed`);
}

function whole(text: string, option: string, least: number, most: number): number {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${option} is ${JSON.stringify(text)}: a whole number from ${least} to ${most} is allowed`);
}
