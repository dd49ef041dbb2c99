import { BmsError, CallMetadata, inference, models, Reason } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { createClient, Metadata } from '@bms/transport';
import type { Session } from '../verb';
import { selectorText, type ModelReference } from './model-reference';

const TIMEOUT_DEFAULT_MS = 10_000;

/** What a model takes and gives, as the router says; the router is asked because it answers also while admin is gone. */
export interface ModelMetadata {
  readonly signature: models.Signature;
  /** The versions that can be called now, lowest first. */
  readonly versions: readonly number[];
}

/** Asks the first router that answers. Throws MODEL_NOT_FOUND and its kin, and CONNECTION_FAILED when none answers. */
export async function readModelMetadata(session: Session, reference: ModelReference): Promise<ModelMetadata> {
  let failure = new BmsError(Reason.CONNECTION_FAILED, 'no router is known');
  for (const address of session.options.router) {
    try {
      return await askRouter(session, address, reference);
    } catch (error) {
      if (!BmsError.is(error, Reason.CONNECTION_FAILED)) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function askRouter(session: Session, address: string, reference: ModelReference): Promise<ModelMetadata> {
  const { options, signal, now } = session;
  const channel = new GrpcChannel(address);
  try {
    const { modelMetadata } = createClient(inference.GRPCInferenceServiceDefinition, channel);
    const answer = await modelMetadata(
      { name: reference.model, version: selectorText(reference) },
      {
        metadata: Metadata.from({ [CallMetadata.tenant]: options.tenant }),
        deadlineMs: now() + (options.timeoutMs ?? TIMEOUT_DEFAULT_MS),
        signal,
      },
    );
    return {
      signature: models.Signature.create({ inputs: answer.inputs, outputs: answer.outputs }),
      versions: answer.versions.map(Number).sort((a, b) => a - b),
    };
  } finally {
    channel.close();
  }
}
