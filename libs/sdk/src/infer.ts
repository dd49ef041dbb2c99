import { BmsError, parseModelName, Reason, type inference } from '@bms/contracts';
import { inferRequest, readInferOutputs } from '@bms/tensor';
import { versionField, type ModelReference } from './model-reference';
import { outputOf, tensorOf } from './tensor-codec';
import type { TensorInput, TensorOutput } from './tensor-value';

/** A prediction to make. */
export interface InferRequest extends ModelReference {
  /** By the names of the model's signature. */
  readonly inputs: Readonly<Record<string, TensorInput>>;
  /** The outputs to compute; all by default. */
  readonly outputs?: readonly string[];
  /** Given back in the result. */
  readonly id?: string;
}

/** What a model answered. */
export interface InferResult {
  readonly model: string;
  /** The version that answered. */
  readonly version: number;
  readonly id: string;
  readonly outputs: Readonly<Record<string, TensorOutput>>;
  /** The id of the worker that answered; "" where the server does not say. */
  readonly servedBy: string;
  /** How often the request was tried in all, by the router and by this client; 1 where nothing went wrong. */
  readonly attempts: number;
  /** Names this request in the logs of the mesh. */
  readonly requestId: string;
}

/** The wire form of a request. Throws INVALID_REQUEST or INVALID_TENSOR that names the field. */
export function encodeInferRequest(request: InferRequest): inference.ModelInferRequest {
  return inferRequest({
    modelName: parseModelName(request.model),
    modelVersion: versionField(request),
    id: request.id ?? '',
    inputs: Object.entries(request.inputs).map(([name, input]) => tensorOf(name, input, `inputs.${name}`)),
    outputs: request.outputs ?? [],
  });
}

/** What of a result is in the answer's message. Throws INTERNAL where the answer contradicts itself. */
export function decodeInferResponse(
  response: inference.ModelInferResponse,
): Pick<InferResult, 'model' | 'version' | 'id' | 'outputs'> {
  try {
    return {
      model: response.modelName,
      version: Number(response.modelVersion),
      id: response.id,
      outputs: Object.fromEntries(readInferOutputs(response).map((tensor) => [tensor.name, outputOf(tensor)])),
    };
  } catch (cause) {
    throw new BmsError(Reason.INTERNAL, `the answer contradicts itself: ${(cause as Error).message}`, { cause });
  }
}
