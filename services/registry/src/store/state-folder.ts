import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { lockFolder, readIfThere, StartError, writeDurably } from '@bms/lifecycle';
import { z } from 'zod';
import type { KnownPoint } from './known-point';

const IDENTITY_FILE = 'registry.json';
const POINT_FILE = 'store-point.json';

const identitySchema = z.object({
  v: z.literal(1),
  registryId: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/),
});
const revision = z
  .string()
  .regex(/^[0-9]{1,20}$/)
  .transform(BigInt);
const pointSchema = z.object({
  v: z.literal(1),
  meshId: z.string().min(1),
  clusterId: z.string(),
  revision,
  epoch: z.number().int().nonnegative(),
  witness: z.object({ key: z.string().min(1), modRevision: revision }).optional(),
});

/** Who this process is to the mesh. */
export interface RegistryIdentity {
  /** Stays the same over restarts. */
  readonly registryId: string;
  /** New at every start. */
  readonly incarnation: string;
}

/**
 * The folder of one registry: who it is, and how far it has seen the store, so that it notices a store that was wiped or
 * restored while it was down. Belongs to one process at a time.
 */
export class StateFolder {
  readonly identity: RegistryIdentity;

  /** Throws FolderTakenError where another process has it, StartError where it cannot be used or is damaged. */
  static open(folder: string): StateFolder {
    const lock = takeFolder(folder);
    try {
      return new StateFolder(folder, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(
    private readonly folder: string,
    private readonly lock: { release(): void },
  ) {
    this.identity = { registryId: this.registryId(), incarnation: randomUUID() };
  }

  /** Undefined: this registry has not seen a store yet. Throws StartError when the file is damaged. */
  knownPoint(): KnownPoint | undefined {
    const file = join(this.folder, POINT_FILE);
    const text = readIfThere(file);
    if (text === undefined) return undefined;
    const {
      meshId,
      clusterId,
      revision: seen,
      epoch,
      witness,
    } = parse(
      pointSchema,
      text,
      `${file} does not say how far the store was seen: delete it, and the store is taken as it is`,
    );
    return { meshId, clusterId, revision: seen, epoch, ...(witness === undefined ? {} : { witness }) };
  }

  /** Durable when it returns. */
  remember({ meshId, clusterId, revision: seen, epoch, witness }: KnownPoint): void {
    const marked = witness && { key: witness.key, modRevision: String(witness.modRevision) };
    const point = { v: 1, meshId, clusterId, revision: String(seen), epoch, witness: marked };
    writeDurably(join(this.folder, POINT_FILE), JSON.stringify(point));
  }

  close(): void {
    this.lock.release();
  }

  private registryId(): string {
    const file = join(this.folder, IDENTITY_FILE);
    const text = readIfThere(file);
    if (text !== undefined) {
      const sentence = `${file} does not hold a registry's id: delete it, and the registry starts as a new one`;
      return parse(identitySchema, text, sentence).registryId;
    }
    const registryId = `registry-${randomBytes(5).toString('hex')}`;
    writeDurably(file, JSON.stringify({ v: 1, registryId }));
    return registryId;
  }
}

function takeFolder(folder: string): { release(): void } {
  try {
    return lockFolder(folder, 'registry');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new StartError(`the folder ${folder} cannot be used (${code}): choose another with --state`, {
      cause: error,
    });
  }
}

function parse<T>(schema: z.ZodType<T>, text: string, sentence: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new StartError(sentence, { cause });
  }
}
