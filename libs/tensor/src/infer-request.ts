import { BmsError, Reason, inference, type models } from '@bms/contracts';
import { datatypeOf } from './datatypes';
import { quoted } from './quoted';
import { rawOfTensor, tensorOfRaw } from './raw-contents';
import { describeMisfit, describeSpec, dimensionsOf, elementCount, shapeFits } from './shape';
import type { Tensor, TensorHead } from './tensor';
import { hasValues, tensorOfContents } from './typed-contents';

type WireInput = inference.ModelInferRequest_InferInputTensor;

/** What a request asks of a model, checked against the model's signature. */
export interface InferInputs {
  /** One per input of the model, in the signature's order. Their bytes are views of the request. */
  readonly inputs: readonly Tensor[];
  /** The values came as typed contents, so the answer is to have them, too. */
  readonly typed: boolean;
  /** Names of the outputs to answer, in the order asked for; all of the model's where the request names none. */
  readonly outputs: readonly string[];
}

/**
 * Reads a request's tensors. Whatever does not fit the signature throws INVALID_TENSOR or INVALID_REQUEST with the path of
 * the field and what is allowed; shared memory and classification, which other servers offer, throw UNIMPLEMENTED.
 * A model whose symbol stands in several inputs wants one size for it in all of them.
 */
export function readInferInputs(request: inference.ModelInferRequest, signature: models.Signature): InferInputs {
  const specs = matchInputs(request.inputs, signature);
  const typed = usesTypedContents(request);
  const heads = request.inputs.map((input, at) => readHead(input, specs[at] as models.TensorSpec, `inputs[${at}]`));
  checkSymbols(heads, specs);
  const tensors = heads.map((head, at) =>
    typed
      ? tensorOfContents(head, request.inputs[at]?.contents, `inputs[${at}].contents`)
      : tensorOfRaw(head, request.rawInputContents[at] ?? new Uint8Array(), `raw_input_contents[${at}]`),
  );
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return {
    inputs: signature.inputs.map((spec) => byName.get(spec.name) as Tensor),
    typed,
    outputs: readOutputs(request.outputs, signature),
  };
}

/** The spec of each of the request's inputs. */
function matchInputs(inputs: readonly WireInput[], signature: models.Signature): models.TensorSpec[] {
  const byName = new Map(signature.inputs.map((spec) => [spec.name, spec]));
  const seen = new Set<string>();
  const specs = inputs.map((input, at) => {
    const spec = byName.get(input.name);
    if (spec === undefined) {
      throw BmsError.invalidTensor(
        `inputs[${at}].name`,
        `${quoted(input.name)} is no input: ${listed('inputs', signature.inputs)}`,
      );
    }
    if (seen.has(input.name))
      throw BmsError.invalidTensor(`inputs[${at}].name`, `${quoted(input.name)} is there twice`);
    seen.add(input.name);
    if (input.parameters['shared_memory_region'] !== undefined) {
      throw notOffered(`inputs[${at}].parameters.shared_memory_region`, 'shared memory is not offered: send the bytes');
    }
    return spec;
  });
  const missing = signature.inputs.filter((spec) => !seen.has(spec.name));
  if (missing.length > 0) {
    throw BmsError.invalidTensor(
      'inputs',
      `lacks ${missing.map(describeInput).join(', ')}: ${listed('inputs', signature.inputs)}`,
    );
  }
  return specs;
}

function usesTypedContents(request: inference.ModelInferRequest): boolean {
  const { inputs, rawInputContents } = request;
  const withContents = inputs.findIndex((input) => hasValues(input.contents));
  if (rawInputContents.length === 0) return inputs.length > 0;
  if (withContents >= 0) {
    throw BmsError.invalidRequest(
      `inputs[${withContents}].contents`,
      'must be empty where raw_input_contents is used: send all values in one of the two',
    );
  }
  if (rawInputContents.length !== inputs.length) {
    throw BmsError.invalidRequest(
      'raw_input_contents',
      `has ${rawInputContents.length} entries for ${inputs.length} inputs: one per input is needed, in their order`,
    );
  }
  return false;
}

function readHead(input: WireInput, spec: models.TensorSpec, field: string): TensorHead {
  const datatype = datatypeOf(input.datatype, `${field}.datatype`);
  if (datatype !== spec.datatype) {
    throw BmsError.invalidTensor(
      `${field}.datatype`,
      `is ${datatype}, but ${quoted(spec.name)} takes ${spec.datatype}`,
    );
  }
  const shape = dimensionsOf(input.shape, `${field}.shape`);
  if (!shapeFits(shape, spec)) throw BmsError.invalidTensor(`${field}.shape`, describeMisfit(shape, spec));
  elementCount(shape, `${field}.shape`);
  return { name: spec.name, datatype, shape };
}

/** A symbol within one input is left to the model: exporters reuse names there without meaning it. */
function checkSymbols(heads: readonly TensorHead[], specs: readonly models.TensorSpec[]): void {
  const bound = new Map<string, { readonly input: number; readonly dimension: number; readonly size: number }>();
  heads.forEach((head, input) => {
    head.shape.forEach((size, dimension) => {
      const symbol = specs[input]?.symbols[dimension];
      if (!symbol) return;
      const first = bound.get(symbol);
      if (first === undefined) bound.set(symbol, { input, dimension, size });
      else if (first.size !== size && first.input !== input) {
        throw BmsError.invalidTensor(
          `inputs[${input}].shape[${dimension}]`,
          `is ${size}, but ${quoted(symbol)} is already ${first.size} by inputs[${first.input}].shape[${first.dimension}]: ` +
            'the model wants one size for both',
        );
      }
    });
  });
}

function readOutputs(
  outputs: readonly inference.ModelInferRequest_InferRequestedOutputTensor[],
  signature: models.Signature,
): string[] {
  if (outputs.length === 0) return signature.outputs.map((spec) => spec.name);
  const known = new Set(signature.outputs.map((spec) => spec.name));
  const seen = new Set<string>();
  for (const [at, { name, parameters }] of outputs.entries()) {
    const field = `outputs[${at}].name`;
    if (!known.has(name)) {
      throw BmsError.invalidRequest(field, `${quoted(name)} is no output: ${listed('outputs', signature.outputs)}`);
    }
    if (seen.has(name)) throw BmsError.invalidRequest(field, `${quoted(name)} is there twice`);
    seen.add(name);
    for (const parameter of ['classification', 'shared_memory_region']) {
      if (parameters[parameter] !== undefined) {
        throw notOffered(`outputs[${at}].parameters.${parameter}`, 'is not offered: ask for the tensor');
      }
    }
  }
  return [...seen];
}

/** What a request is made of. */
export interface InferRequestParts {
  readonly modelName: string;
  /** Digits: a version; anything else: a label; "" (the default): the active version. */
  readonly modelVersion?: string;
  /** Given back in the answer. */
  readonly id?: string;
  readonly inputs: readonly Tensor[];
  /** Names of the outputs to answer; none (the default): all. */
  readonly outputs?: readonly string[];
}

/** A request with raw contents: what {@link readInferInputs} reads. */
export function inferRequest(parts: InferRequestParts): inference.ModelInferRequest {
  return inference.ModelInferRequest.create({
    modelName: parts.modelName,
    modelVersion: parts.modelVersion ?? '',
    id: parts.id ?? '',
    inputs: parts.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: shape.map(BigInt) })),
    outputs: (parts.outputs ?? []).map((name) => ({ name })),
    rawInputContents: parts.inputs.map(rawOfTensor),
  });
}

function describeInput(spec: models.TensorSpec): string {
  return `${quoted(spec.name)} (${spec.datatype} ${describeSpec(spec)})`;
}

function listed(what: string, specs: readonly models.TensorSpec[]): string {
  return specs.length === 0
    ? `the model has no ${what}`
    : `the model's ${what} are ${specs.map((spec) => quoted(spec.name)).join(', ')}`;
}

function notOffered(field: string, description: string): BmsError {
  return new BmsError(Reason.UNIMPLEMENTED, `${field}: ${description}`, { violations: [{ field, description }] });
}
