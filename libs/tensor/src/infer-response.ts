import { BmsError, type inference } from '@bms/contracts';
import { datatypeOf } from './datatypes';
import { rawOfTensor, tensorOfRaw } from './raw-contents';
import { dimensionsOf } from './shape';
import type { Tensor } from './tensor';
import { contentsOfTensor, hasTypedForm, tensorOfContents } from './typed-contents';

/** What an answer is made of. */
export interface InferAnswer {
  readonly modelName: string;
  readonly modelVersion: string;
  /** The request's id. */
  readonly id: string;
  readonly outputs: readonly Tensor[];
  /** Whether the request had typed contents; then the answer has them, too. */
  readonly typed: boolean;
}

/**
 * An answer in the form that its request had: typed to typed, so that a person with grpcurl sees numbers, else raw (Triton
 * answers raw always). The protocol wants raw contents for all outputs or for none, and FP16 and BF16 have no typed form:
 * an answer with such an output is raw as a whole.
 */
export function inferResponse(answer: InferAnswer): inference.ModelInferResponse {
  const { modelName, modelVersion, id, outputs } = answer;
  const typed = answer.typed && outputs.every((tensor) => hasTypedForm(tensor.datatype));
  return {
    modelName,
    modelVersion,
    id,
    parameters: {},
    outputs: outputs.map((tensor) => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape.map(BigInt),
      parameters: {},
      contents: typed ? contentsOfTensor(tensor) : undefined,
    })),
    rawOutputContents: typed ? [] : outputs.map(rawOfTensor),
  };
}

/** The tensors of an answer, raw or typed. Throws INVALID_TENSOR where the answer contradicts itself. */
export function readInferOutputs(response: inference.ModelInferResponse): Tensor[] {
  const { outputs, rawOutputContents } = response;
  const raw = rawOutputContents.length > 0;
  if (raw && rawOutputContents.length !== outputs.length) {
    const description = `has ${rawOutputContents.length} entries for ${outputs.length} outputs`;
    throw BmsError.invalidTensor('raw_output_contents', description);
  }
  return outputs.map((output, at) => {
    const head = {
      name: output.name,
      datatype: datatypeOf(output.datatype, `outputs[${at}].datatype`),
      shape: dimensionsOf(output.shape, `outputs[${at}].shape`),
    };
    return raw
      ? tensorOfRaw(head, rawOutputContents[at] ?? new Uint8Array(), `raw_output_contents[${at}]`)
      : tensorOfContents(head, output.contents, `outputs[${at}].contents`);
  });
}
