import { BmsError, inference, type models } from '@bms/contracts';
import type { TensorData, TensorInput } from '@bms/sdk';
import {
  datatypeOf,
  dimensionsOf,
  isBytes,
  parseExactJson,
  readInferInputs,
  requestOfJson,
  tensorOfContents,
  tensorOfRaw,
  typedArrayOf,
  type JsonObject,
  type JsonValue,
  type Tensor,
} from '@bms/tensor';

/** What a file asks a model. */
export interface FileRequest {
  readonly inputs: Readonly<Record<string, TensorInput>>;
  /** Names of the outputs to answer; none: all. */
  readonly outputs: readonly string[];
}

type WireInput = inference.ModelInferRequest_InferInputTensor;

/**
 * Reads a request from JSON in any of the forms that the mesh's protocols have:
 * - TensorFlow Serving's: `{"instances": [row, …]}` or `{"inputs": {"name": nested lists}}`; the signature gives the datatypes
 * - the Open Inference Protocol's of REST: `{"inputs": [{"name", "datatype", "shape", "data"}]}`
 * - that of its gRPC messages, as grpcurl takes them: `{"inputs": [{"name", "datatype", "shape", "contents"}]}`
 *
 * A model's name in the file is ignored. Throws INVALID_REQUEST or INVALID_TENSOR that names the place.
 * @param signature asked for only where the form needs it
 */
export async function requestOfFile(text: string, signature: () => Promise<models.Signature>): Promise<FileRequest> {
  const root = parseExactJson(text);
  if (!isObject(root)) throw BmsError.invalidRequest('body', 'must be a JSON object with "instances" or "inputs"');
  const inputs = root.get('inputs');
  if (!isTensorList(inputs)) return requestOfTensorFlowJson(text, await signature());
  if (inputs.some((input) => input.has('data'))) {
    return { inputs: named(inputs.map(inputOfData)), outputs: outputNames(root.get('outputs')) };
  }
  return requestOfMessage(root);
}

function requestOfTensorFlowJson(text: string, signature: models.Signature): FileRequest {
  const { request } = requestOfJson(text, signature, { modelName: 'model' });
  return { inputs: named(readInferInputs(request, signature).inputs.map(inputOfTensor)), outputs: [] };
}

/** The messages' JSON form takes field names as they are in the .proto and in camel case. */
function requestOfMessage(root: JsonObject): FileRequest {
  let request: inference.ModelInferRequest;
  try {
    request = inference.ModelInferRequest.fromJSON(plain(root));
  } catch (cause) {
    throw BmsError.invalidRequest('body', `is no ModelInferRequest: ${(cause as Error).message}`);
  }
  const inputs = request.inputs.map((input, at) => inputOfTensor(tensorOfWire(input, at, request.rawInputContents)));
  return { inputs: named(inputs), outputs: request.outputs.map(({ name }) => name) };
}

function tensorOfWire(input: WireInput, at: number, raw: readonly Uint8Array[]): Tensor {
  const field = `inputs[${at}]`;
  const head = {
    name: input.name,
    datatype: datatypeOf(input.datatype, `${field}.datatype`),
    shape: dimensionsOf(input.shape, `${field}.shape`),
  };
  return raw.length > 0
    ? tensorOfRaw(head, raw[at] ?? new Uint8Array(), `raw_input_contents[${at}]`)
    : tensorOfContents(head, input.contents, `${field}.contents`);
}

/** `data` is flat or nested; the shape counts. */
function inputOfData(input: JsonObject, at: number): NamedInput {
  const field = `inputs[${at}]`;
  const [name, shape, data] = [input.get('name'), input.get('shape'), input.get('data')];
  const datatype = input.get('datatype');
  if (typeof name !== 'string') throw BmsError.invalidRequest(`${field}.name`, 'must be a string');
  if (typeof datatype !== 'string') throw BmsError.invalidRequest(`${field}.datatype`, 'must be a string');
  if (!isList(shape) || !shape.every((size) => typeof size === 'number' || typeof size === 'bigint')) {
    throw BmsError.invalidRequest(`${field}.shape`, 'must be a list of whole numbers');
  }
  if (!isList(data)) throw BmsError.invalidRequest(`${field}.data`, 'must be a list');
  return {
    name,
    datatype: datatypeOf(datatype, `${field}.datatype`),
    shape: dimensionsOf(shape, `${field}.shape`),
    data: flat(data) as TensorData, // the client checks each element against the datatype
  };
}

function inputOfTensor(tensor: Tensor): NamedInput {
  const { name, datatype, shape } = tensor;
  return {
    name,
    datatype,
    shape,
    data: isBytes(tensor) ? tensor.elements : typedArrayOf(tensor.datatype, tensor.data),
  };
}

function outputNames(outputs: JsonValue | undefined): readonly string[] {
  if (outputs === undefined) return [];
  if (!isList(outputs)) throw BmsError.invalidRequest('outputs', 'must be a list of objects with a "name"');
  return outputs.map((output, at) => {
    const name = isObject(output) ? output.get('name') : undefined;
    if (typeof name === 'string') return name;
    throw BmsError.invalidRequest(`outputs[${at}].name`, 'must be a string');
  });
}

interface NamedInput extends TensorInput {
  readonly name: string;
}

function named(inputs: readonly NamedInput[]): Readonly<Record<string, TensorInput>> {
  const twice = inputs.find(({ name }, at) => inputs.findIndex((other) => other.name === name) !== at);
  if (twice !== undefined) throw BmsError.invalidRequest('inputs', `${JSON.stringify(twice.name)} is there twice`);
  return Object.fromEntries(inputs.map(({ name, ...input }) => [name, input]));
}

function flat(values: readonly JsonValue[]): readonly JsonValue[] {
  return values.some(isList) ? values.flatMap((value) => (isList(value) ? flat(value) : [value])) : values;
}

/** A list of tensors, which only the Open Inference Protocol has: in TensorFlow's form a list is a value. */
function isTensorList(value: JsonValue | undefined): value is readonly JsonObject[] {
  return isList(value) && value.length > 0 && value.every((item) => isObject(item) && item.has('name'));
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** As JSON.parse would have given it, but for bigints. */
function plain(value: JsonValue): unknown {
  if (isObject(value)) return Object.fromEntries([...value].map(([key, inner]) => [key, plain(inner)]));
  return isList(value) ? value.map(plain) : value;
}
