import type { z } from 'zod';
import { flagOf } from './setting-names';

/** Somebody asked what can be set instead of starting: its message is the answer, and the process ends with 0. */
export class HelpWanted extends Error {
  override readonly name = 'HelpWanted';
}

/** A line for each setting of a schema, with its flag, what it is and its default; then `--config`. */
export function settingsHelp(schema: z.ZodObject): string {
  const rows = Object.entries(schema.shape).map(([key, field]): readonly [string, string] => {
    const { data: fallback } = (field as z.ZodType).safeParse(undefined);
    const shown = fallback === undefined ? '' : ` (default: ${JSON.stringify(fallback)})`;
    return [flagOf(key), `${(field as z.ZodType).description ?? ''}${shown}`];
  });
  const all = [...rows, ['--config', 'a JSON file with the sections mesh, registry, router, worker, admin'] as const];
  const width = Math.max(...all.map(([flag]) => flag.length)) + 1;
  return all.map(([flag, what]) => `  ${flag.padEnd(width)} ${what}`).join('\n');
}

export function isHelpWanted(argv: readonly string[]): boolean {
  return argv.includes('--help') || argv.includes('-h');
}
