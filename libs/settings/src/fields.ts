import { z } from 'zod';

/**
 * The kinds of setting. Each takes a string (from a flag or the environment) as well as the JSON value of a file, and
 * says in its own words what is allowed.
 */
export const setting = {
  /** Any text, unless it is empty. */
  text: (fallback: string) => z.string().min(1, 'a text that is not empty').default(fallback),
  /** Text that may be left out. */
  optionalText: () => z.string().min(1, 'a text that is not empty').optional(),
  /** TCP port; 0 means any free one. */
  port: (fallback: number) => integer(0, 65_535, 'a port, 0 to 65535').default(fallback),
  /** Whole number from `min` to `max`. */
  integer: (fallback: number, min: number, max: number) =>
    integer(min, max, `a whole number, ${min} to ${max}`).default(fallback),
  /** Milliseconds. */
  durationMs: (fallback: number, min = 1, max = 86_400_000) =>
    integer(min, max, `milliseconds, ${min} to ${max}`).default(fallback),
  /** Bytes, also as `64MiB`, `2GiB`, `500KiB`. */
  bytes: (fallback: number, min = 1) =>
    z
      .preprocess(parseBytes, z.number('bytes, such as 1048576 or 64MiB').int().min(min, `at least ${min} bytes`))
      .default(fallback),
  /** On or off: `true` or `false`; as a flag also `--name` and `--no-name`. */
  flag: (fallback: boolean) =>
    z
      .preprocess((value) => (value === 'true' ? true : value === 'false' ? false : value), z.boolean('true or false'))
      .default(fallback),
  /** One of a few words. */
  choice: <const T extends readonly [string, ...string[]]>(words: T, fallback: T[number]) =>
    z.enum(words, `one of ${words.join(', ')}`).default(fallback as never),
  /** Texts, separated by commas: at least one. */
  list: (fallback: readonly string[]) =>
    z
      .preprocess(
        (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value),
        z.array(z.string(LIST).min(1, LIST), LIST).min(1, LIST),
      )
      .default([...fallback]),
};

const LIST = 'one text or more, separated by commas';

function integer(min: number, max: number, allowed: string) {
  return z.preprocess(
    (value) => (typeof value === 'string' && /^-?[0-9]+$/.test(value) ? Number(value) : value),
    z.number(allowed).int(allowed).min(min, allowed).max(max, allowed),
  );
}

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

function parseBytes(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const match = /^([0-9]+)(KiB|MiB|GiB|TiB|)$/.exec(value);
  return match === null ? value : Number(match[1]) * (BYTE_UNITS[match[2] ?? ''] ?? 1);
}
