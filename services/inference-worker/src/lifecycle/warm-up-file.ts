import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { models } from '@bms/contracts';
import { readInferInputs, requestOfJson } from '@bms/tensor';
import { z } from 'zod';
import type { RunRequest } from '../servables/executor';

/** The file beside a model that gives better warm-up input than what can be made up. */
export const WARM_UP_FILE = 'warmup.json';

const value = z.union([z.number(), z.string(), z.boolean()]);
/** A list of examples; each maps every input's name to its shape and its values, flat and row-major. */
const schema = z
  .array(z.record(z.string(), z.object({ shape: z.array(z.number().int().min(0)), data: z.array(value) })))
  .min(1)
  .max(100);

/** The examples in an artifact's folder; undefined when it has none. Throws a sentence about what is wrong with them. */
export async function readWarmUpFile(folder: string, signature: models.Signature): Promise<RunRequest[] | undefined> {
  const text = await readFile(join(folder, WARM_UP_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new Error(`${WARM_UP_FILE} cannot be read (${error.code ?? error.message})`);
  });
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`${WARM_UP_FILE}${pathOf(issue?.path ?? [])}: ${issue?.message ?? 'is not as documented'}`);
  }
  return parsed.data.map((example, at) => {
    try {
      const inputs = Object.fromEntries(
        Object.entries(example).map(([name, { shape, data }]) => [name, nested(data, shape, name)]),
      );
      const { request } = requestOfJson(JSON.stringify({ inputs }), signature, { modelName: 'warm-up' });
      return readInferInputs(request, signature);
    } catch (error) {
      throw new Error(`${WARM_UP_FILE}[${at}]: ${(error as Error).message}`, { cause: error });
    }
  });
}

/** Flat values as the nested lists that a shape describes. */
function nested(data: readonly unknown[], shape: readonly number[], name: string): unknown {
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== data.length) throw new Error(`${name} has ${data.length} values, but its shape takes ${count}`);
  let level: readonly unknown[] = data;
  for (const size of shape.slice(1).reverse()) {
    level = Array.from({ length: size === 0 ? 0 : level.length / size }, (_, at) =>
      level.slice(at * size, (at + 1) * size),
    );
  }
  return shape.length === 0 ? level[0] : level;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${WARM_UP_FILE} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `[${String(part)}]`).join('');
}
