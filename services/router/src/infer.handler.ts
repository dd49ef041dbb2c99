import {
  BmsError,
  CallMetadata,
  DEFAULT_TENANT,
  inference,
  models,
  parseTenantId,
  type TenantId,
} from '@bms/contracts';
import { implement, mergeRoutes, type Bytes, type Routes, type ServerCall } from '@bms/transport';
import { answerFacts } from './answer-facts';
import type { Catalog } from './catalog/catalog';
import { findModel, findVersion, requirePublished, selectorOf } from './catalog/resolve-version';
import type { VersionEntry } from './catalog/route-table';
import type { Clock } from './clock';
import { MODEL_INFER_PATH } from './fleet/fleet-replica';
import { newProgress, type CallProgress, type InferCall, type InferResult } from './infer-call';
import { readInferRequestHead } from './infer-request-head';
import type { Infer } from './infer.stack';
import type { Refuse } from './layers/observe';
import { requestIdOf } from './request-id';

export interface InferHandlerOptions {
  readonly infer: Infer;
  readonly refuse: Refuse;
  readonly catalog: Pick<Catalog, 'current'>;
  /** Whether a call to the version would be sent at once. */
  readonly isReady: (version: VersionEntry) => boolean;
  /** Whether the router can do its job. */
  readonly serverReady: () => boolean;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  /** How long a call may take whose caller does not say. */
  readonly defaultDeadlineMs: number;
  readonly bmsVersion: string;
}

const { GRPCInferenceServiceDefinition: SERVICE } = inference;
const { methods } = SERVICE;
/** All but ModelInfer. */
const TYPED_METHODS = {
  serverLive: methods.serverLive,
  serverReady: methods.serverReady,
  serverMetadata: methods.serverMetadata,
  modelReady: methods.modelReady,
  modelMetadata: methods.modelMetadata,
};
/** What KServe and Triton call an ONNX model that ONNX Runtime runs. */
const PLATFORM = 'onnxruntime_onnx';
/** Extensions of the Open Inference Protocol that are offered; of Triton's, none is. */
const EXTENSIONS: readonly string[] = [];

/** The Open Inference Protocol over gRPC: what the router answers callers, and by the same contract asks workers. */
export function inferRoutes(options: InferHandlerOptions): Routes {
  const { catalog, isReady } = options;
  const typed = implement(
    { fullName: SERVICE.fullName, methods: TYPED_METHODS },
    {
      serverLive: async () => ({ live: true }),
      serverReady: async () => ({ ready: options.serverReady() }),
      serverMetadata: async () => ({ name: 'bms', version: options.bmsVersion, extensions: [...EXTENSIONS] }),
      modelReady: async ({ name, version }, call) => ({
        ready: modelReady(() => find(catalog, name, version, call), isReady),
      }),
      modelMetadata: async ({ name, version }, call) => modelMetadata(catalog, name, version, call),
    },
  );
  // Registered as bytes: a request goes to the worker, and its answer to the caller, as it came.
  const raw: Routes = new Map([
    [MODEL_INFER_PATH, { kind: 'unary', handle: (request, call) => modelInfer(options, request, call) }],
  ]);
  return mergeRoutes(typed, raw);
}

async function modelInfer(options: InferHandlerOptions, request: Bytes, call: ServerCall): Promise<Bytes> {
  const requestId = requestIdOf(call.metadata.get(CallMetadata.requestId), options.newRequestId);
  const progress = newProgress();
  let result: InferResult | undefined;
  try {
    result = await options.infer(readCall(options, request, call, requestId, progress));
    return result.body;
  } finally {
    call.trailers.set(CallMetadata.requestId, requestId);
    for (const [name, value] of answerFacts(progress, result)) call.trailers.set(name, value);
  }
}

function readCall(
  { clock, defaultDeadlineMs, refuse }: InferHandlerOptions,
  request: Bytes,
  { metadata, deadlineMs, cancel }: ServerCall,
  requestId: string,
  progress: CallProgress,
): InferCall {
  const known = { protocol: 'oip-grpc', requestId, progress } as const;
  try {
    const { modelName, modelVersion, parameters } = readInferRequestHead(request);
    // Written out: fields that follow a spread cost a microsecond each.
    return {
      protocol: known.protocol,
      requestId,
      progress,
      credentials: {
        authorization: metadata.get(CallMetadata.authorization),
        tenant: metadata.get(CallMetadata.tenant),
        principal: metadata.get(CallMetadata.principal),
      },
      model: { name: modelName, selector: selectorOf(modelVersion, 'model_version') },
      parameters,
      deadlineMs: deadlineMs ?? clock.nowMs() + defaultDeadlineMs,
      signal: cancel,
      body: { kind: 'oip', bytes: request },
    };
  } catch (error) {
    throw refuse(known, error);
  }
}

/** Unknown, offline and not ready are all just not ready. */
function modelReady(found: () => VersionEntry, isReady: (version: VersionEntry) => boolean): boolean {
  try {
    return isReady(found());
  } catch (error) {
    if (error instanceof BmsError) return false;
    throw error;
  }
}

function modelMetadata(
  catalog: Pick<Catalog, 'current'>,
  name: string,
  version: string,
  call: ServerCall,
): inference.ModelMetadataResponse {
  const entry = find(catalog, name, version, call);
  const model = findModel(catalog.current, entry.tenant, name);
  const callable = [...model.versions.values()].filter(({ state }) => state === models.VersionState.PUBLISHED);
  return {
    name: entry.model,
    versions: callable.map(({ version }) => String(version)),
    platform: PLATFORM,
    inputs: entry.signature.inputs.map(tensorMetadata),
    outputs: entry.signature.outputs.map(tensorMetadata),
  };
}

function tensorMetadata({ name, datatype, shape }: models.TensorSpec): inference.ModelMetadataResponse_TensorMetadata {
  return { name, datatype, shape };
}

function find({ current }: Pick<Catalog, 'current'>, name: string, version: string, call: ServerCall): VersionEntry {
  const entry = findVersion(current, tenantOf(call), { name, selector: selectorOf(version, 'version') });
  requirePublished(entry);
  return entry;
}

function tenantOf({ metadata }: ServerCall): TenantId {
  const tenant = metadata.get(CallMetadata.tenant);
  return tenant === undefined ? DEFAULT_TENANT : parseTenantId(tenant, CallMetadata.tenant);
}
