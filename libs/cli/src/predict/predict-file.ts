import { readFileSync } from 'node:fs';
import { models } from '@bms/contracts';
import type { ModelReference, ModelTensor } from '@bms/sdk';
import { UsageError } from '../usage-error';
import type { Session } from '../verb';
import { requestOfFile, type FileRequest } from './input-file';
import { jsonOfResult } from './outputs-json';

const STANDARD_INPUT = '-';

/** Predicts what a file asks and prints the outputs as JSON. */
export async function predictFile(session: Session, reference: ModelReference, file: string): Promise<void> {
  const request = await readRequest(session, reference, file);
  const result = await session.client.infer({ ...reference, ...request }, { signal: session.signal });
  session.terminal.out(jsonOfResult(result));
}

/** Reads the request in a file; asks the router for the model's signature where the file's form needs it. */
export async function readRequest(session: Session, reference: ModelReference, file: string): Promise<FileRequest> {
  const text = readText(file);
  return requestOfFile(text, () => readSignature(session, reference));
}

/** What a model takes and gives, as the router says, which answers also while admin is gone. */
export async function readSignature(session: Session, reference: ModelReference): Promise<models.Signature> {
  const { inputs, outputs } = await session.client.describe(reference, { signal: session.signal });
  return models.Signature.create({ inputs: inputs.map(specOf), outputs: outputs.map(specOf) });
}

function specOf({ name, datatype, shape }: ModelTensor): models.TensorSpec {
  return models.TensorSpec.create({ name, datatype, shape: shape.map(BigInt) });
}

function readText(file: string): string {
  try {
    return readFileSync(file === STANDARD_INPUT ? 0 : file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(`--input: ${file} cannot be read (${code})`);
  }
}
