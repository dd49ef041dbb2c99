import { BmsError, type inference, type models } from '@bms/contracts';
import { parseExactJson, pathOf, type JsonArray, type JsonObject, type JsonValue } from './exact-json';
import { inferRequest } from './infer-request';
import { isBase64, tensorOfJson } from './json-elements';
import type { Tensor } from './tensor';

/** How a body gave its tensors, and so how the answer is to give them. */
export type JsonForm =
  | { readonly kind: 'row'; readonly instances: number } // "instances": one value, or object of values, a row
  | { readonly kind: 'column' }; // "inputs": each input as a whole

/** The model that the address of a request names. */
export interface ModelReference {
  readonly modelName: string;
  /** Digits: a version; anything else: a label; "" (the default): the active version. */
  readonly modelVersion?: string;
}

export interface JsonRequest {
  /** With raw contents. */
  readonly request: inference.ModelInferRequest;
  readonly form: JsonForm;
}

const SIGNATURE_NAME = 'serving_default';

/**
 * Reads the body of TensorFlow Serving's `:predict`: `{"instances": [row, …]}`, where a row is the value of the only input or
 * an object of all inputs' values, or `{"inputs": value or object}`. Values are nested lists of numbers, of true and false, or
 * of strings and `{"b64": "…"}`. `signature_name` may be "serving_default"; other keys are ignored, as there. Whole numbers
 * stay exact. Unlike there, NaN and Infinity are refused, as JSON has neither.
 *
 * Throws INVALID_REQUEST or INVALID_TENSOR with the place, such as `instances[3][2]`, and what is allowed.
 */
export function requestOfJson(
  body: Uint8Array | string,
  signature: models.Signature,
  reference: ModelReference,
): JsonRequest {
  const root = parseExactJson(typeof body === 'string' ? body : textOf(body));
  if (!isObject(root)) throw BmsError.invalidRequest('body', 'must be a JSON object with "instances" or "inputs"');
  checkSignatureName(root.get('signature_name'));
  const instances = root.get('instances');
  const inputs = root.get('inputs');
  if ((instances === undefined) === (inputs === undefined)) {
    throw BmsError.invalidRequest('body', 'must have one of "instances" (a list of rows) and "inputs" (whole tensors)');
  }
  const rows = instances === undefined ? undefined : rowsOf(instances);
  const tensors =
    rows === undefined ? tensorsOfColumns(inputs as JsonValue, signature) : tensorsOfRows(rows, signature);
  return {
    request: inferRequest({ ...reference, inputs: tensors }),
    form: rows === undefined ? { kind: 'column' } : { kind: 'row', instances: rows.length },
  };
}

function tensorsOfRows(rows: JsonArray, signature: models.Signature): Tensor[] {
  const named = holdsNames(rows[0] as JsonValue, signature);
  rows.forEach((row, at) => {
    const path = `instances[${at}]`;
    if (!named) {
      if (isObject(row) && !isBase64(row))
        throw BmsError.invalidRequest(path, 'is an object, but instances[0] is a value');
      return;
    }
    if (!isObject(row)) throw BmsError.invalidRequest(path, 'is a value, but instances[0] is an object');
    checkNames(row, signature, path);
  });
  if (!named)
    return [tensorOfJson(rows, onlyInput(signature, 'instances[0]'), (indices) => pathOf(['instances', ...indices]))];
  return signature.inputs.map((spec) => {
    const values = rows.map((row) => (row as JsonObject).get(spec.name) as JsonValue);
    return tensorOfJson(values, spec, ([row, ...indices]) =>
      row === undefined ? `instances[*].${spec.name}` : pathOf(['instances', row, spec.name, ...indices]),
    );
  });
}

function tensorsOfColumns(inputs: JsonValue, signature: models.Signature): Tensor[] {
  if (!holdsNames(inputs, signature)) {
    return [tensorOfJson(inputs, onlyInput(signature, 'inputs'), (indices) => pathOf(['inputs', ...indices]))];
  }
  checkNames(inputs, signature, 'inputs');
  return signature.inputs.map((spec) =>
    tensorOfJson(inputs.get(spec.name) as JsonValue, spec, (indices) => pathOf(['inputs', spec.name, ...indices])),
  );
}

/** An object maps inputs to values, except that `{"b64": "…"}` is the value of an only input of BYTES. */
function holdsNames(value: JsonValue, signature: models.Signature): value is JsonObject {
  const takesBase64 = signature.inputs.length === 1 && signature.inputs[0]?.datatype === 'BYTES';
  return isObject(value) && !(takesBase64 && isBase64(value));
}

function checkNames(object: JsonObject, signature: models.Signature, path: string): void {
  const names = signature.inputs.map((spec) => spec.name);
  const listed = `the model's inputs are ${names.map((name) => JSON.stringify(name)).join(', ')}`;
  for (const key of object.keys()) {
    if (!names.includes(key)) throw BmsError.invalidTensor(`${path}.${key.slice(0, 100)}`, `is no input: ${listed}`);
  }
  const missing = names.find((name) => !object.has(name));
  if (missing !== undefined) throw BmsError.invalidTensor(path, `lacks ${JSON.stringify(missing)}: ${listed}`);
}

function onlyInput(signature: models.Signature, path: string): models.TensorSpec {
  const [spec, ...more] = signature.inputs;
  if (spec !== undefined && more.length === 0) return spec;
  const names = signature.inputs.map(({ name }) => JSON.stringify(name)).join(', ');
  throw BmsError.invalidTensor(
    path,
    spec === undefined ? 'the model has no inputs' : `must be an object with the model's inputs: ${names}`,
  );
}

function rowsOf(instances: JsonValue): JsonArray {
  if (!Array.isArray(instances)) throw BmsError.invalidRequest('instances', 'must be a list of rows');
  if (instances.length === 0) throw BmsError.invalidRequest('instances', 'is empty: at least one row is needed');
  return instances as JsonArray;
}

function checkSignatureName(name: JsonValue | undefined): void {
  if (name === undefined || name === '' || name === SIGNATURE_NAME) return;
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 100)) : 'no string';
  throw BmsError.invalidRequest('signature_name', `is ${shown}: an ONNX model has one signature, "${SIGNATURE_NAME}"`);
}

function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw BmsError.invalidRequest('body', 'is not JSON: it is not UTF-8');
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}
