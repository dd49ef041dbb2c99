import { parseModelName, type inference } from '@bms/contracts';
import { versionField, type ModelReference } from './model-reference';

/** An input or output of a model. */
export interface ModelTensor {
  readonly name: string;
  /** The Open Inference Protocol's name, such as FP32. */
  readonly datatype: string;
  /** -1 where a dimension is free. */
  readonly shape: readonly number[];
}

/** What a caller needs to know of a model. */
export interface ModelDescription {
  readonly model: string;
  /** The versions that can be asked. */
  readonly versions: readonly number[];
  readonly platform: string;
  readonly inputs: readonly ModelTensor[];
  readonly outputs: readonly ModelTensor[];
}

export function encodeMetadataRequest(reference: ModelReference): inference.ModelMetadataRequest {
  return { name: parseModelName(reference.model), version: versionField(reference) };
}

export function decodeMetadataResponse(response: inference.ModelMetadataResponse): ModelDescription {
  const tensorOf = ({ name, datatype, shape }: inference.ModelMetadataResponse_TensorMetadata): ModelTensor => ({
    name,
    datatype,
    shape: shape.map(Number),
  });
  return {
    model: response.name,
    versions: response.versions.map(Number),
    platform: response.platform,
    inputs: response.inputs.map(tensorOf),
    outputs: response.outputs.map(tensorOf),
  };
}
