import { BmsError, CallMetadata, inference, Reason, reasonName } from '@bms/contracts';
import { inferResponse, readInferInputs } from '@bms/tensor';
import { implement, type Routes, type ServerCall } from '@bms/transport';
import type { PredictStack } from './predict.stack';
import { addressedServable, type OwnIdentity } from './servables/addressee';
import type { Servable } from './servables/servable';
import type { ServableSet } from './servables/servable-set';

/** How one prediction ended, for metrics. */
export interface PredictionObserved {
  readonly servable: Servable;
  /** `answered`, or the reason's name, such as `MODEL_FAILED`. */
  readonly outcome: string;
  /** undefined where it never ran. */
  readonly timings: { readonly queueUs: number; readonly computeUs: number } | undefined;
}

export interface InferHandlerParts {
  readonly servables: ServableSet;
  readonly predictions: PredictStack;
  readonly self: OwnIdentity;
  /** Whether this worker can do its job. */
  readonly isReady: () => boolean;
  /** Whether it has said goodbye to its connections: what still comes is for another worker. */
  readonly isLeaving: () => boolean;
  readonly observe: (prediction: PredictionObserved) => void;
  readonly bmsVersion: string;
}

/** The Open Inference Protocol over what this worker holds: for the router, and for whoever asks a worker directly. */
export function inferRoutes(parts: InferHandlerParts): Routes {
  const { servables, self } = parts;
  return implement(inference.GRPCInferenceServiceDefinition, {
    serverLive: async () => ({ live: true }),
    serverReady: async () => ({ ready: parts.isReady() && !parts.isLeaving() }),
    serverMetadata: async () => ({ name: 'bms-inference-worker', version: parts.bmsVersion, extensions: [] }),
    modelReady: async ({ name, version }, { metadata }) => ({ ready: isHeld(parts, metadata, name, version) }),
    modelMetadata: async ({ name, version }, { metadata }) =>
      describe(addressedServable(servables, self, metadata, name, version), servables),
    modelInfer: (request, call) => infer(parts, request, call),
  });
}

async function infer(
  parts: InferHandlerParts,
  request: inference.ModelInferRequest,
  call: ServerCall,
): Promise<inference.ModelInferResponse> {
  const { servables, self, predictions, observe } = parts;
  try {
    if (parts.isLeaving()) throw new BmsError(Reason.DRAINING, 'this worker is going away');
    const servable = addressedServable(servables, self, call.metadata, request.modelName, request.modelVersion);
    return await observed(servable, observe, () => predict(predictions, servable, request, call));
  } finally {
    call.trailers.set(CallMetadata.queueDepth, String(predictions.depth));
  }
}

interface Answered {
  readonly response: inference.ModelInferResponse;
  readonly timings: { readonly queueUs: number; readonly computeUs: number };
}

async function predict(
  predictions: PredictStack,
  servable: Servable,
  request: inference.ModelInferRequest,
  { deadlineMs, cancel, trailers, metadata, peer }: ServerCall,
): Promise<Answered> {
  const { inputs, outputs: names, typed } = readInferInputs(request, servable.signature);
  const caller = callerOf(metadata, peer);
  const answer = await predictions.predict({
    servable,
    request: { inputs, outputs: names },
    deadlineMs,
    signal: cancel,
    caller,
  });
  const { outputs, queueUs, computeUs, batchRows } = answer;
  trailers.set(CallMetadata.queueUs, String(queueUs)).set(CallMetadata.computeUs, String(computeUs));
  if (batchRows !== undefined) trailers.set(CallMetadata.batchRows, String(batchRows));
  const { model, version } = servable.ref;
  const response = inferResponse({ modelName: model, modelVersion: String(version), id: request.id, outputs, typed });
  return { response, timings: { queueUs, computeUs } };
}

/** Who shares what one caller gets: who is named, else the connection. */
function callerOf(metadata: ServerCall['metadata'], peer: string): string {
  const tenant = metadata.get(CallMetadata.tenant);
  const principal = metadata.get(CallMetadata.principal);
  return tenant === undefined && principal === undefined ? peer : `${tenant ?? ''} ${principal ?? ''}`;
}

/** Counts each prediction once, by how it ended. */
async function observed(
  servable: Servable,
  observe: InferHandlerParts['observe'],
  run: () => Promise<Answered>,
): Promise<inference.ModelInferResponse> {
  try {
    const { response, timings } = await run();
    observe({ servable, outcome: 'answered', timings });
    return response;
  } catch (error) {
    const { reason } = BmsError.from(error);
    observe({ servable, outcome: reasonName(reason), timings: undefined });
    throw error;
  }
}

function isHeld(parts: InferHandlerParts, metadata: ServerCall['metadata'], name: string, version: string): boolean {
  if (parts.isLeaving()) return false;
  try {
    return addressedServable(parts.servables, parts.self, metadata, name, version).accepting;
  } catch (error) {
    if (BmsError.is(error, Reason.REPLICA_GONE)) return false;
    throw error;
  }
}

function describe({ ref, signature }: Servable, servables: ServableSet): inference.ModelMetadataResponse {
  return {
    name: ref.model,
    versions: servables.versionsOf(ref.tenant, ref.model).map((servable) => String(servable.ref.version)),
    platform: 'onnxruntime_onnx',
    inputs: signature.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    outputs: signature.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
  };
}
