import { ELEMENT_TYPES } from './element-types';
import { ProtoWriter } from './proto-writer.testkit';

/** A datatype by its name in the Open Inference Protocol, or a number of TensorProto.DataType. */
export type OnnxType = string | number;

/** An input or output. */
export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  /** A number, a symbol, or null for a dimension that says nothing; no shape: the rank is unknown. */
  readonly shape?: readonly (number | string | null)[];
}

export interface OnnxTensor {
  readonly name?: string;
  readonly type: OnnxType;
  readonly dims: readonly number[];
  /** Raw little-endian bytes. */
  readonly data?: ArrayBufferView;
  /** A BYTES tensor's elements. */
  readonly texts?: readonly string[];
  readonly external?: { readonly location: string; readonly offset?: number; readonly length?: number };
}

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] }
  | { readonly tensor: OnnxTensor }
  | { readonly graph: OnnxGraph };

export interface OnnxNode {
  readonly op: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxGraph {
  readonly name?: string;
  readonly inputs?: readonly OnnxValue[];
  readonly outputs?: readonly OnnxValue[];
  readonly nodes?: readonly OnnxNode[];
  readonly initializers?: readonly OnnxTensor[];
}

/** A model-local function. */
export interface OnnxFunction {
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly OnnxNode[];
}

export interface OnnxModel extends OnnxGraph {
  /** Default 17. */
  readonly opset?: number;
  /** Further operator sets, domain to version. */
  readonly opsets?: Readonly<Record<string, number>>;
  /** Default 8. */
  readonly irVersion?: number;
  readonly producer?: string;
  readonly producerVersion?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly functions?: readonly OnnxFunction[];
}

/** The bytes of a small ONNX model. */
export function buildOnnxModel(model: OnnxModel): Uint8Array {
  const writer = new ProtoWriter()
    .varint(1, model.irVersion ?? 8)
    .text(2, model.producer ?? 'bms-testkit')
    .text(3, model.producerVersion ?? '');
  writer.message(7, onnxGraph(model));
  for (const [domain, version] of Object.entries({ '': model.opset ?? 17, ...model.opsets })) {
    writer.message(8, new ProtoWriter().text(1, domain).varint(2, version));
  }
  for (const [key, value] of Object.entries(model.metadata ?? {})) writer.message(14, pair(key, value));
  return writer
    .messages(
      25,
      (model.functions ?? []).map((definition) => onnxFunction(definition, model.opset ?? 17)),
    )
    .finish();
}

/** A GraphProto. */
export function onnxGraph(graph: OnnxGraph): ProtoWriter {
  return new ProtoWriter()
    .messages(1, (graph.nodes ?? []).map(onnxNode))
    .text(2, graph.name ?? 'graph')
    .messages(5, (graph.initializers ?? []).map(onnxTensor))
    .messages(11, (graph.inputs ?? []).map(onnxValue))
    .messages(12, (graph.outputs ?? []).map(onnxValue));
}

/** A ValueInfoProto of a tensor. */
export function onnxValue({ name, type, shape }: OnnxValue): ProtoWriter {
  const tensor = new ProtoWriter().varint(1, typeNumber(type));
  if (shape !== undefined) tensor.message(2, new ProtoWriter().messages(1, shape.map(onnxDimension)));
  return new ProtoWriter().text(1, name).message(2, new ProtoWriter().message(1, tensor));
}

/** A TensorProto. */
export function onnxTensor(tensor: OnnxTensor): ProtoWriter {
  const writer = new ProtoWriter();
  for (const dimension of tensor.dims) writer.varint(1, dimension);
  writer.varint(2, typeNumber(tensor.type));
  for (const text of tensor.texts ?? []) writer.text(6, text);
  if (tensor.name !== undefined) writer.text(8, tensor.name);
  if (tensor.data !== undefined) {
    writer.bytes(9, new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength));
  }
  for (const [key, value] of Object.entries(tensor.external ?? {})) writer.message(13, pair(key, String(value)));
  return tensor.external === undefined ? writer : writer.varint(14, 1);
}

function onnxNode(node: OnnxNode): ProtoWriter {
  const writer = new ProtoWriter();
  for (const name of node.inputs) writer.text(1, name);
  for (const name of node.outputs) writer.text(2, name);
  writer.text(4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes ?? {}))
    writer.message(5, onnxAttribute(name, attribute));
  return node.domain === undefined ? writer : writer.text(7, node.domain);
}

function onnxAttribute(name: string, attribute: OnnxAttribute): ProtoWriter {
  const writer = new ProtoWriter().text(1, name);
  if ('float' in attribute) return writer.float(2, attribute.float).varint(20, 1);
  if ('int' in attribute) return writer.varint(3, attribute.int).varint(20, 2);
  if ('text' in attribute) return writer.text(4, attribute.text).varint(20, 3);
  if ('tensor' in attribute) return writer.message(5, onnxTensor(attribute.tensor)).varint(20, 4);
  if ('graph' in attribute) return writer.message(6, onnxGraph(attribute.graph)).varint(20, 5);
  for (const value of attribute.ints) writer.varint(8, value);
  return writer.varint(20, 7);
}

function onnxFunction(definition: OnnxFunction, opset: number): ProtoWriter {
  const writer = new ProtoWriter().text(1, definition.name);
  for (const name of definition.inputs) writer.text(4, name);
  for (const name of definition.outputs) writer.text(5, name);
  return writer
    .messages(7, definition.nodes.map(onnxNode))
    .message(9, new ProtoWriter().text(1, '').varint(2, opset))
    .message(9, new ProtoWriter().text(1, definition.domain).varint(2, 1))
    .text(10, definition.domain);
}

function onnxDimension(dimension: number | string | null): ProtoWriter {
  if (dimension === null) return new ProtoWriter();
  return typeof dimension === 'number' ? new ProtoWriter().varint(1, dimension) : new ProtoWriter().text(2, dimension);
}

function pair(key: string, value: string): ProtoWriter {
  return new ProtoWriter().text(1, key).text(2, value);
}

function typeNumber(type: OnnxType): number {
  if (typeof type === 'number') return type;
  for (const [number, { datatype }] of ELEMENT_TYPES) if (datatype === type) return number;
  throw new Error(`no ONNX type for ${type}`);
}
