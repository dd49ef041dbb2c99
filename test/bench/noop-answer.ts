import { CallMetadata, inference } from '@bms/contracts';
import { pathOf } from '@bms/transport';

const { GRPCInferenceServiceDefinition: SERVICE } = inference;
/** The call that is measured, and the only one that a no-op server answers. */
export const INFER_PATH = pathOf(SERVICE, SERVICE.methods.modelInfer);

const CLASSES = 10;
const FLOAT_BYTES = 4;

/** A classifier's answer, of so many scores. */
function answerOf(classes: number): Uint8Array {
  const outputs = [{ name: 'probabilities', datatype: 'FP32', shape: [1n, BigInt(classes)], parameters: {} }];
  const rawOutputContents = [new Uint8Array(classes * FLOAT_BYTES)];
  const { ModelInferResponse } = inference;
  const response = { modelName: 'noop', modelVersion: '1', outputs, rawOutputContents };
  return ModelInferResponse.encode(ModelInferResponse.create(response)).finish();
}

/** What every no-op server answers, whatever it is asked: as a classifier of ten classes would. */
export const NOOP_ANSWER: Uint8Array = answerOf(CLASSES);

/** An answer of about so many bytes. */
export function largeAnswer(bytes: number): Uint8Array {
  return answerOf(Math.max(1, Math.floor(bytes / FLOAT_BYTES)));
}

/** As a worker says them with each answer, so that a router has as much to read. */
export const NOOP_TRAILERS: Readonly<Record<string, string>> = {
  [CallMetadata.queueUs]: '0',
  [CallMetadata.computeUs]: '0',
  [CallMetadata.queueDepth]: '0',
};

/** A request of about so many bytes for `model`, with one image-like tensor. */
export function noopRequest(model: string, bytes: number): Uint8Array {
  const { ModelInferRequest } = inference;
  const of = (values: number): Uint8Array => {
    const shape = [1n, BigInt(values)];
    const inputs = [{ name: 'pixels', datatype: 'FP32', shape, parameters: {}, contents: undefined }];
    const rawInputContents = [new Uint8Array(values * FLOAT_BYTES)];
    return ModelInferRequest.encode(ModelInferRequest.create({ modelName: model, inputs, rawInputContents })).finish();
  };
  return of(Math.max(1, Math.floor((bytes - of(1).byteLength) / FLOAT_BYTES)));
}
