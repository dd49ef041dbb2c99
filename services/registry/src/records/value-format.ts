import { z } from 'zod';

/** A value was written by a newer release; this one must not touch the store. */
export class NewerStoreError extends Error {
  override readonly name = 'NewerStoreError';
  constructor(value: string, found: number, known: number) {
    super(
      `the store was written by a newer release (a ${value} has format ${found}, this release knows ${known}): ` +
        'start that release, or a newer one',
    );
  }
}

/** A value is not what its schema says: the store is damaged, or somebody else writes to it. */
export class CorruptValueError extends Error {
  override readonly name = 'CorruptValueError';
}

/** How one kind of value is written to the store and read from it: JSON with its schema's version in `v`. */
export interface ValueFormat<T> {
  encode(value: T): Uint8Array;
  /** Throws {@link NewerStoreError} and {@link CorruptValueError}, both naming `key`. */
  decode(bytes: Uint8Array, key: string): T;
}

export interface ValueFormatOptions<Shape extends z.ZodRawShape> {
  /** What people call the value. */
  readonly name: string;
  /** Raised whenever the schema changes; written as `v`. */
  readonly version: number;
  readonly schema: z.ZodObject<Shape>;
  /** Turns a value of `version - 1` into one of `version`. Readers accept these two, so that replicas can be replaced one by one. */
  readonly upgrade?: (previous: Record<string, unknown>) => Record<string, unknown>;
}

const envelope = z.looseObject({ v: z.number().int() });
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function valueFormat<Shape extends z.ZodRawShape>(
  options: ValueFormatOptions<Shape>,
): ValueFormat<z.infer<z.ZodObject<Shape>>> {
  const { name, version, schema, upgrade } = options;
  return {
    encode: (value) => encoder.encode(JSON.stringify({ v: version, ...schema.parse(value) })),
    decode: (bytes, key) => {
      const found = parsed(envelope, parseJson(bytes, name, key), name, key);
      if (found.v > version) throw new NewerStoreError(name, found.v, version);
      const current = found.v === version - 1 && upgrade !== undefined ? upgrade(found) : found;
      if (found.v < version && current === found) {
        throw new CorruptValueError(
          `${key}: a ${name} of format ${found.v} is too old for this release, which reads ${version}`,
        );
      }
      return parsed(schema, current, name, key);
    },
  };
}

function parseJson(bytes: Uint8Array, name: string, key: string): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new CorruptValueError(`${key}: the ${name} is not JSON`, { cause });
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, name: string, key: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const first = result.error.issues[0];
  throw new CorruptValueError(
    `${key}: the ${name} is damaged at "${first?.path.join('.') ?? ''}": ${first?.message ?? ''}`,
  );
}
