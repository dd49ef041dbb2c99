import type { ExternalDataFiles } from './external-data';
import { invalidModel } from './invalid-model';
import { countCall, operatorKey, type OperatorCalls } from './local-functions';
import { readSparseTensor, readTensor } from './tensor-proto';
import { readValueInfo, type ValueInfo } from './value-info';
import type { WireCursor, WireField } from './wire-cursor';

/** What is kept of a graph. */
export interface Graph {
  readonly inputs: ValueInfo[];
  readonly outputs: ValueInfo[];
  /** Names of the weights, dense and sparse. */
  readonly initializers: Set<string>;
}

/** What is noted while graphs and functions are read, however deep. */
export interface Findings {
  readonly files: ExternalDataFiles;
  readonly calls: OperatorCalls;
}

const VALUES_MAX = 100_000;
const INITIALIZERS_MAX = 1_000_000;
const DEPTH_MAX = 64;

/** Reads a GraphProto: the model's own or one within a node (`depth` counts how deep). */
export async function readGraph(
  cursor: WireCursor,
  field: WireField,
  findings: Findings,
  graph: Graph = { inputs: [], outputs: [], initializers: new Set() },
  depth = 0,
): Promise<Graph> {
  if (depth > DEPTH_MAX) throw invalidModel(`its graphs are nested more than ${DEPTH_MAX} deep`);
  await cursor.message(field, async (part) => {
    switch (part.number) {
      case 1:
        return readNode(cursor, part, findings, depth);
      case 5:
        return addInitializer(graph, await readTensor(cursor, part, findings.files));
      case 15:
        return addInitializer(graph, await readSparseTensor(cursor, part, findings.files));
      case 11:
        return addValue(graph.inputs, await readValueInfo(cursor, part, 'input'));
      case 12:
        return addValue(graph.outputs, await readValueInfo(cursor, part, 'output'));
      default:
        return undefined;
    }
  });
  return graph;
}

/** Reads a NodeProto: what it calls, and the weights and graphs in its attributes. */
export async function readNode(cursor: WireCursor, field: WireField, findings: Findings, depth: number): Promise<void> {
  let operator = '';
  let domain = '';
  let overload = '';
  await cursor.message(field, async (part) => {
    if (part.number === 4) operator = await cursor.text(part, 'the operator of a node');
    if (part.number === 5) await readAttribute(cursor, part, findings, depth);
    if (part.number === 7) domain = await cursor.text(part, 'the domain of a node');
    if (part.number === 8) overload = await cursor.text(part, 'the overload of a node');
  });
  countCall(findings.calls, operatorKey(domain, operator, overload));
}

async function readAttribute(cursor: WireCursor, field: WireField, findings: Findings, depth: number): Promise<void> {
  await cursor.message(field, async (part) => {
    switch (part.number) {
      case 5: // t
      case 10: // tensors
        await readTensor(cursor, part, findings.files);
        break;
      case 6: // g
      case 11: // graphs
        await readGraph(cursor, part, findings, undefined, depth + 1);
        break;
      case 22: // sparse_tensor
      case 23: // sparse_tensors
        await readSparseTensor(cursor, part, findings.files);
    }
  });
}

function addValue(values: ValueInfo[], value: ValueInfo): void {
  if (values.length === VALUES_MAX) throw invalidModel(`it has over ${VALUES_MAX} inputs or outputs`);
  values.push(value);
}

function addInitializer(graph: Graph, name: string): void {
  if (graph.initializers.size === INITIALIZERS_MAX) throw invalidModel(`it has over ${INITIALIZERS_MAX} weights`);
  graph.initializers.add(name);
}
