import { invalidModel, quoted } from './invalid-model';

/** How often a graph or function calls each operator, by {@link operatorKey}. */
export type OperatorCalls = Map<string, number>;

/** ONNX Runtime replaces calls by the function's nodes, some 10,000 a second; 20 small functions can ask for a million. */
const NODES_MAX = 1_000_000;
/** Calls nest on a stack here and in ONNX Runtime. */
const DEPTH_MAX = 200;

/** What an operator, or the model's own function that stands for it, goes by. */
export function operatorKey(domain: string, name: string, overload: string): string {
  return `${domain === 'ai.onnx' ? '' : domain}\0${name}\0${overload}`;
}

export function countCall(calls: OperatorCalls, key: string): void {
  calls.set(key, (calls.get(key) ?? 0) + 1);
}

/**
 * Refuses a model whose own functions call themselves, directly or around corners, which ONNX forbids (some releases of ONNX
 * Runtime crash on it, 1.30 refuses to load it), and one that grows beyond measure by calling.
 */
export function checkLocalFunctions(graph: OperatorCalls, functions: ReadonlyMap<string, OperatorCalls>): void {
  const nodesOf = new Map<string, number>();
  const open = new Set<string>();

  const measure = (calls: OperatorCalls): number => {
    let nodes = 0;
    for (const [key, times] of calls) {
      const body = functions.get(key);
      nodes += times * (body === undefined ? 1 : nodesOfFunction(key, body));
      if (nodes > NODES_MAX) throw invalidModel(`its functions call each other until it has over ${NODES_MAX} nodes`);
    }
    return nodes;
  };

  const nodesOfFunction = (key: string, body: OperatorCalls): number => {
    const known = nodesOf.get(key);
    if (known !== undefined) return known;
    const name = quoted(key.split('\0')[1] ?? '');
    if (open.has(key)) throw invalidModel(`its function ${name} calls itself`);
    if (open.size === DEPTH_MAX) throw invalidModel(`its functions call each other more than ${DEPTH_MAX} deep`);
    open.add(key);
    const nodes = measure(body);
    open.delete(key);
    nodesOf.set(key, nodes);
    return nodes;
  };

  if (functions.size > 0) measure(graph);
  for (const [key, body] of functions) nodesOfFunction(key, body);
}
