import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { flagOf, variableOf } from './setting-names';
import { SettingsError } from './settings-error';
import { HelpWanted, isHelpWanted, settingsHelp } from './settings-help';

export interface SettingsSources {
  /** What stands behind the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The sections that a settings file may have: one per service, and `mesh` for `bms up`. */
export const FILE_SECTIONS = ['mesh', 'registry', 'router', 'worker', 'admin'] as const;
export type FileSection = (typeof FILE_SECTIONS)[number];

/**
 * The settings of a service: defaults < file (`--config FILE`, its section) < `BMS_…` environment < flags.
 * A key `grpcPort` is the flag `--grpc-port` and the variable `BMS_GRPC_PORT`.
 * Throws {@link HelpWanted} for `--help`, and {@link SettingsError} for an unknown flag or file key and for a value that the schema refuses.
 */
export function loadSettings<Shape extends z.ZodRawShape>(
  section: FileSection,
  schema: z.ZodObject<Shape>,
  sources: SettingsSources,
): z.infer<z.ZodObject<Shape>> {
  if (isHelpWanted(sources.argv)) {
    throw new HelpWanted(
      `Usage: bms ${section} [settings...]\n\nSettings:\n${settingsHelp(schema)}\n\nExample:\n  npx bms ${section} --data .bms`,
    );
  }
  const keys = Object.keys(schema.shape);
  const flags = parseFlags(keys, sources.argv);
  const file = flags['config'] ?? sources.env['BMS_CONFIG'];
  const merged = {
    ...(file === undefined ? {} : readSection(section, keys, file)),
    ...fromEnvironment(keys, sources.env),
    ...without(flags, 'config'),
  };
  const parsed = schema.safeParse(merged);
  if (parsed.success) return parsed.data;
  throw new SettingsError(parsed.error.issues.map((issue) => describe(issue, merged)).join('\n'));
}

function parseFlags(keys: readonly string[], argv: readonly string[]): Record<string, string> {
  const byFlag = new Map([...keys, 'config'].map((key) => [flagOf(key), key]));
  const values: Record<string, string> = {};
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    const [name = '', inline] = splitOnce(word);
    const key = byFlag.get(name);
    const negated = name.startsWith('--no-') ? byFlag.get(`--${name.slice('--no-'.length)}`) : undefined;
    if (negated !== undefined && inline === undefined) {
      values[negated] = 'false';
    } else if (key === undefined) {
      throw new SettingsError(`unknown flag ${JSON.stringify(word)}: allowed are ${[...byFlag.keys()].join(', ')}`);
    } else if (inline !== undefined) {
      values[key] = inline;
    } else {
      const next = argv[at + 1];
      const hasValue = next !== undefined && !next.startsWith('--');
      values[key] = hasValue ? next : 'true';
      if (hasValue) at++;
    }
  }
  return values;
}

function splitOnce(word: string): readonly [string, string?] {
  const at = word.indexOf('=');
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

function fromEnvironment(keys: readonly string[], env: SettingsSources['env']): Record<string, string> {
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = env[variableOf(key)];
      return value === undefined || value === '' ? [] : [[key, value]];
    }),
  );
}

function readSection(section: FileSection, keys: readonly string[], file: string): Record<string, unknown> {
  const whole = asObject(readJson(file), `the settings file ${file}`);
  for (const name of Object.keys(whole)) {
    if (!(FILE_SECTIONS as readonly string[]).includes(name)) {
      throw new SettingsError(`${file}: unknown section "${name}": allowed are ${FILE_SECTIONS.join(', ')}`);
    }
  }
  const values = asObject(whole[section] ?? {}, `${file}: section "${section}"`);
  for (const key of Object.keys(values)) {
    if (!keys.includes(key)) {
      throw new SettingsError(`${file}: unknown key "${section}.${key}": allowed are ${keys.join(', ')}`);
    }
  }
  return values;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new SettingsError(`the settings file ${file} cannot be read: ${(error as Error).message}`);
  }
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new SettingsError(`${what} must be a JSON object`);
}

function without(values: Record<string, string>, key: string): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => name !== key));
}

function describe(issue: z.core.$ZodIssue, merged: Readonly<Record<string, unknown>>): string {
  const key = String(issue.path[0] ?? '');
  const value = merged[key];
  const given = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}`;
  return `setting ${key} (${flagOf(key)}, ${variableOf(key)}) ${given}: allowed is ${issue.message}`;
}
