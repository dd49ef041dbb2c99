import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Incarnation, WorkerId } from '@bms/contracts';
import { readIfThere, StartError, writeDurably } from '@bms/lifecycle';
import { z } from 'zod';

const FILE = 'worker.json';
const schema = z.object({ v: z.literal(1), workerId: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/) });

/** Who this process is to the mesh. */
export interface WorkerIdentity {
  /** Stays the same over restarts. */
  readonly workerId: WorkerId;
  /** New at every start, so that a call meant for an earlier process is noticed. */
  readonly incarnation: Incarnation;
}

/**
 * The identity kept in a worker's state folder, made there on the first start. The folder must be locked already.
 * Throws StartError when the file is broken.
 */
export function workerIdentity(stateFolder: string): WorkerIdentity {
  const incarnation = randomUUID() as Incarnation;
  const file = join(stateFolder, FILE);
  const text = readIfThere(file);
  if (text !== undefined) return { workerId: parse(text, file), incarnation };
  const workerId = `worker-${randomBytes(5).toString('hex')}` as WorkerId;
  writeDurably(file, JSON.stringify({ v: 1, workerId }));
  return { workerId, incarnation };
}

function parse(text: string, file: string): WorkerId {
  try {
    return schema.parse(JSON.parse(text)).workerId as WorkerId;
  } catch (cause) {
    throw new StartError(`${file} does not hold a worker's id: delete it, and the worker starts as a new one`, {
      cause,
    });
  }
}
