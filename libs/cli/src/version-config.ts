import { readFile } from 'node:fs/promises';
import {
  BATCH_DELAY_MAX_MS,
  BATCH_ROWS_MAX,
  BATCHING_MODES,
  BmsError,
  DEVICE_FALLBACKS,
  DEVICE_WISHES,
  EXECUTION_PROVIDERS,
  EXECUTORS_MAX,
  GRAPH_OPTIMIZATIONS,
  INTRA_OP_THREADS_MAX,
  PREFERRED_ROWS_MAX,
  PROVIDER_OPTIONS_MAX,
  QUEUE_MAX_MS,
  Reason,
  REPLICAS_MAX,
  type models,
} from '@bms/contracts';
import { z } from 'zod';

/** The name of a version's configuration inside a pushed folder. */
export const CONFIG_FILE = 'bms.json';

const count = (max: number): z.ZodNumber => z.number().int().min(0).max(max);
const schema = z.strictObject({
  replicas: count(REPLICAS_MAX).optional(),
  intraOpThreads: count(INTRA_OP_THREADS_MAX).optional(),
  graphOptimization: z.enum(GRAPH_OPTIMIZATIONS).optional(),
  device: z.enum(DEVICE_WISHES).optional(),
  fallback: z.enum(DEVICE_FALLBACKS).optional(),
  providerOptions: z
    .partialRecord(
      z.enum(EXECUTION_PROVIDERS),
      z.record(z.string(), z.string()).refine((options) => Object.keys(options).length <= PROVIDER_OPTIONS_MAX),
    )
    .optional(),
  executors: count(EXECUTORS_MAX).optional(),
  batching: z
    .strictObject({
      mode: z.enum(BATCHING_MODES),
      maxRows: count(BATCH_ROWS_MAX),
      preferredRows: z.array(z.number().int().min(1).max(BATCH_ROWS_MAX)).max(PREFERRED_ROWS_MAX),
      maxDelayMs: count(BATCH_DELAY_MAX_MS),
      maxQueueMs: count(QUEUE_MAX_MS),
    })
    .partial()
    .optional(),
});

const words = (allowed: readonly string[]): string =>
  `one of ${allowed.map((word) => JSON.stringify(word)).join(', ')}`;

/** What each key may hold, in words. */
const ALLOWED: Readonly<Record<keyof VersionConfigFile, string>> = {
  replicas: `a whole number, 0 (the mesh's default) to ${REPLICAS_MAX}`,
  intraOpThreads: `a whole number, 0 (the worker's default) to ${INTRA_OP_THREADS_MAX}`,
  graphOptimization: words(GRAPH_OPTIMIZATIONS),
  device: words(DEVICE_WISHES),
  fallback: words(DEVICE_FALLBACKS),
  providerOptions: `options (texts, at most ${PROVIDER_OPTIONS_MAX}) by provider, such as {"webgpu": {"preferredLayout": "NHWC"}}; providers are ${EXECUTION_PROVIDERS.join(', ')}`,
  executors: `a whole number, 0 (what the worker measures) to ${EXECUTORS_MAX}`,
  batching: `an object with any of mode (${words(BATCHING_MODES)}), maxRows (0, the default, to ${BATCH_ROWS_MAX}), preferredRows (at most ${PREFERRED_ROWS_MAX} sizes from 1 to ${BATCH_ROWS_MAX}), maxDelayMs (0 to ${BATCH_DELAY_MAX_MS}) and maxQueueMs (0, no bound, to ${QUEUE_MAX_MS})`,
};

/** How a version is to be served, as a person writes it down. What is left out is the mesh's default. */
export type VersionConfigFile = z.infer<typeof schema>;

/** Reads a version's configuration. Throws INVALID_CONFIG that names the key and what is allowed. */
export async function readVersionConfig(file: string): Promise<VersionConfigFile> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw invalid(file, `cannot be read as JSON (${(cause as Error).message})`, cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw describe(file, value, parsed.error);
}

/** As the contract has it. */
export function configFields(config: VersionConfigFile): Partial<models.VersionConfig> {
  const { providerOptions, batching, ...rest } = config;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const options = Object.entries(providerOptions ?? {}).map(
    ([provider, named]) => [provider, { options: named }] as const,
  );
  return {
    ...given,
    ...(options.length === 0 ? {} : { providerOptions: Object.fromEntries(options) }),
    ...(batching === undefined ? {} : { batching: batchingFields(batching) }),
  };
}

function batchingFields(batching: NonNullable<VersionConfigFile['batching']>): models.BatchingConfig {
  const { mode = '', maxRows = 0, preferredRows = [], maxDelayMs = 0, maxQueueMs = 0 } = batching;
  return { mode, maxRows, preferredRows, maxDelayMs, maxQueueMs };
}

function describe(file: string, value: unknown, error: z.ZodError): BmsError {
  const issue = error.issues[0];
  if (issue?.code === 'unrecognized_keys' && issue.path.length === 0) {
    return invalid(
      `${file}: ${JSON.stringify(issue.keys[0])}`,
      `is no key: allowed are ${Object.keys(ALLOWED).join(', ')}`,
    );
  }
  const key = issue?.path[0] as keyof VersionConfigFile | undefined;
  if (key === undefined) return invalid(file, `must be a JSON object with ${Object.keys(ALLOWED).join(', ')}`);
  const given = JSON.stringify((value as Readonly<Record<string, unknown>>)[key]);
  return invalid(`${file}: ${key}`, `is ${given}: allowed is ${ALLOWED[key]}`);
}

function invalid(field: string, description: string, cause?: unknown): BmsError {
  return new BmsError(Reason.INVALID_CONFIG, `${field} ${description}`, {
    violations: [{ field, description }],
    cause,
  });
}
