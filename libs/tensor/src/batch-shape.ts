import type { Tensor } from './tensor';

/** What decides whether the inputs of a request can be joined to those of others. */
export interface BatchShape {
  /** Rows, along dimension 0, that all its tensors have. 1 or more. */
  readonly rows: number;
  /** Equal where datatypes and all other dimensions are. */
  readonly key: string;
}

/** undefined where the tensors cannot be joined to others: there is none, one is a scalar or empty, or their rows differ. */
export function batchShape(tensors: readonly Tensor[]): BatchShape | undefined {
  const rows = tensors[0]?.shape[0] ?? 0;
  if (rows < 1) return undefined;
  let key = '';
  for (const { datatype, shape } of tensors) {
    if (shape[0] !== rows) return undefined;
    key += datatype;
    for (let at = 1; at < shape.length; at++) key += `,${shape[at]}`;
    key += ';';
  }
  return { rows, key };
}
