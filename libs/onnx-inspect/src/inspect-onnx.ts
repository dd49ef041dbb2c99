import { type models } from '@bms/contracts';
import { fileSource, type ByteSource } from './byte-source';
import { ExternalDataFiles, type ExternalData } from './external-data';
import { FORMAT_HEAD_BYTES, foreignFormat, foreignMessage } from './foreign-format';
import { readGraph, readNode, type Findings, type Graph } from './graph-proto';
import { invalidModel, quoted } from './invalid-model';
import { checkLocalFunctions, operatorKey, type OperatorCalls } from './local-functions';
import { readEntry } from './tensor-proto';
import { tensorSpecOf, type ValueInfo } from './value-info';
import { expectWireType, VARINT, WireCursor, type WireField } from './wire-cursor';

/** What an ONNX file says of itself. */
export interface OnnxModelInfo {
  /**
   * What callers send and get: inputs without those that have an initializer. -1 stands for a dimension that is free, with
   * its symbol where the model names one; `unranked` for a value whose rank the model leaves open.
   */
  readonly signature: models.Signature;
  /** `ai.onnx 17, ai.onnx.ml 3`; "" in files from before operator sets. */
  readonly opsets: string;
  readonly irVersion: number;
  /** Who wrote the file, and which version of it: `pytorch 2.1.0`. */
  readonly producer: string;
  /** The files that hold weights, all in the model's folder, by location. */
  readonly externalData: readonly ExternalData[];
  /** metadata_props: the first 100 whose values have at most 4 KiB. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A protobuf message, which an ONNX file is, holds at most this much. */
const FILE_BYTES_MAX = 2 ** 31 - 1;
const METADATA_ENTRIES_MAX = 100;
const METADATA_ENTRY_BYTES_MAX = 4096 + 1024;
const OPSETS_MAX = 1000;
const FUNCTIONS_MAX = 100_000;
/** From this IR version on a model must name its operator sets. */
const OPSETS_SINCE_IR = 3;

/**
 * Reads an ONNX model's signature from its bytes, without loading it. Large weights are skipped by seeking: memory stays
 * within a few windows of 64 KiB and the names that the model uses.
 *
 * Throws INVALID_MODEL with a sentence for people when it is no ONNX file (and says what else it is), is empty, damaged or cut
 * off, has values that no protocol carries, external data that leaves its folder, or functions that call themselves. Aborting
 * `signal` throws an AbortError. What `source` throws is passed on.
 */
export async function inspectOnnx(source: ByteSource, signal: AbortSignal): Promise<OnnxModelInfo> {
  if (source.sizeBytes === 0) throw invalidModel('it is empty');
  if (source.sizeBytes > FILE_BYTES_MAX) {
    throw invalidModel(
      `it has ${source.sizeBytes} bytes, and an ONNX file at most ${FILE_BYTES_MAX}: save its weights as external data`,
    );
  }
  signal.throwIfAborted();
  const head = await source.read(0, FORMAT_HEAD_BYTES);
  const foreign = foreignFormat(head);
  if (foreign !== undefined) throw invalidModel(foreign);

  const model = await readModel(new WireCursor(source, signal), source.sizeBytes);
  if (model.graph === undefined) throw invalidModel(foreignMessage(head));
  if (model.irVersion < 1) throw invalidModel('it has no IR version, so it is no ONNX model');
  if (model.irVersion >= OPSETS_SINCE_IR && model.opsets.size === 0) {
    throw invalidModel('it names no operator sets (opset_import), so that its operators mean nothing');
  }
  checkLocalFunctions(model.calls, model.functions);
  return {
    signature: signatureOf(model.graph),
    opsets: [...model.opsets].map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`).join(', '),
    irVersion: model.irVersion,
    producer: [model.producerName, model.producerVersion].filter((part) => part !== '').join(' '),
    externalData: model.files.list(),
    metadata: Object.fromEntries(model.metadata),
  };
}

/** {@link inspectOnnx} of a file. */
export async function inspectOnnxFile(path: string, signal: AbortSignal): Promise<OnnxModelInfo> {
  const source = await fileSource(path);
  try {
    return await inspectOnnx(source, signal);
  } finally {
    await source.close();
  }
}

/** What is kept of a ModelProto. */
interface Model extends Findings {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  graph: Graph | undefined;
  readonly opsets: Map<string, number>;
  readonly metadata: Map<string, string>;
  readonly functions: Map<string, OperatorCalls>;
}

async function readModel(cursor: WireCursor, sizeBytes: number): Promise<Model> {
  const model: Model = {
    irVersion: 0,
    producerName: '',
    producerVersion: '',
    graph: undefined,
    opsets: new Map(),
    metadata: new Map(),
    functions: new Map(),
    files: new ExternalDataFiles(),
    calls: new Map(),
  };
  await cursor.walk(0, sizeBytes, async (field) => {
    switch (field.number) {
      case 1:
        expectWireType(field, VARINT);
        model.irVersion = field.value;
        break;
      case 2:
        model.producerName = await cursor.text(field, 'the name of the producer');
        break;
      case 3:
        model.producerVersion = await cursor.text(field, 'the version of the producer');
        break;
      case 7:
        model.graph = await readGraph(cursor, field, model, model.graph);
        break;
      case 8:
        await readOpset(cursor, field, model.opsets);
        break;
      case 14:
        if (model.metadata.size < METADATA_ENTRIES_MAX && field.end - field.start <= METADATA_ENTRY_BYTES_MAX) {
          model.metadata.set(...(await readEntry(cursor, field)));
        }
        break;
      case 25:
        await readFunction(cursor, field, model);
    }
  });
  return model;
}

async function readOpset(cursor: WireCursor, field: WireField, opsets: Map<string, number>): Promise<void> {
  let domain = '';
  let version = 0;
  await cursor.message(field, async (part) => {
    if (part.number === 1) domain = await cursor.text(part, 'the domain of an operator set');
    if (part.number === 2) {
      expectWireType(part, VARINT);
      version = part.value;
    }
  });
  if (opsets.size === OPSETS_MAX) throw invalidModel(`it names over ${OPSETS_MAX} operator sets`);
  opsets.set(domain, version);
}

async function readFunction(cursor: WireCursor, field: WireField, model: Model): Promise<void> {
  let name = '';
  let domain = '';
  let overload = '';
  const calls: OperatorCalls = new Map();
  await cursor.message(field, async (part) => {
    if (part.number === 1) name = await cursor.text(part, 'the name of a function');
    if (part.number === 7) await readNode(cursor, part, { files: model.files, calls }, 0);
    if (part.number === 10) domain = await cursor.text(part, 'the domain of a function');
    if (part.number === 13) overload = await cursor.text(part, 'the overload of a function');
  });
  if (model.functions.size === FUNCTIONS_MAX) throw invalidModel(`it has over ${FUNCTIONS_MAX} functions`);
  model.functions.set(operatorKey(domain, name, overload), calls);
}

function signatureOf(graph: Graph): models.Signature {
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  if (graph.outputs.length === 0) throw invalidModel('it has no outputs');
  refuseDuplicates(inputs, 'inputs');
  refuseDuplicates(graph.outputs, 'outputs');
  return {
    inputs: inputs.map((value) => tensorSpecOf(value, 'input')),
    outputs: graph.outputs.map((value) => tensorSpecOf(value, 'output')),
  };
}

function refuseDuplicates(values: readonly ValueInfo[], what: string): void {
  const seen = new Set<string>();
  for (const { name } of values) {
    if (seen.has(name)) throw invalidModel(`two of its ${what} are called ${quoted(name)}`);
    seen.add(name);
  }
}
