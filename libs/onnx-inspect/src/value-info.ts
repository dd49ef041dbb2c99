import { type models } from '@bms/contracts';
import { ELEMENT_TYPES } from './element-types';
import { invalidModel, quoted } from './invalid-model';
import { expectWireType, VARINT, type WireCursor, type WireField } from './wire-cursor';

/** An input or output, not yet checked: a weight that an old model lists as an input may be of any type. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ValueType;
}

type ValueType =
  | { readonly kind: 'absent' }
  | { readonly kind: 'tensor'; readonly elementType: number; readonly dimensions: readonly Dimension[] | undefined }
  | { readonly kind: 'other'; readonly onnx: string };

interface Dimension {
  /** -1: free. */
  readonly size: number;
  readonly symbol: string;
}

const DIMENSIONS_MAX = 64;
/** What exporters write for "unknown": no symbol, so that two of them need not be of one size. */
const NO_SYMBOLS = new Set(['none', 'null', '?', '*', '-1', 'unk', 'unknown', 'dynamic']);

const OTHER_TYPES: Readonly<Record<number, string>> = {
  4: 'a sequence',
  5: 'a map',
  7: 'an opaque type',
  8: 'a sparse tensor',
  9: 'an optional',
};

/** Reads a ValueInfoProto. */
export async function readValueInfo(cursor: WireCursor, field: WireField, what: string): Promise<ValueInfo> {
  let name = '';
  let type: ValueType = { kind: 'absent' };
  await cursor.message(field, async (part) => {
    if (part.number === 1) name = await cursor.text(part, `the name of an ${what}`);
    if (part.number === 2) type = await readType(cursor, part);
  });
  return { name, type };
}

/** A value as callers see it. Throws INVALID_MODEL that names it when no protocol carries such values. */
export function tensorSpecOf(value: ValueInfo, what: 'input' | 'output'): models.TensorSpec {
  const { name, type } = value;
  if (name === '') throw invalidModel(`an ${what} has no name`);
  const who = `${what} ${quoted(name)}`;
  if (type.kind === 'absent') throw invalidModel(`${who} has no type: onnx.shape_inference can add it`);
  if (type.kind === 'other') throw invalidModel(`${who} is ${type.onnx}: only tensors can be served`);
  const element = ELEMENT_TYPES.get(type.elementType);
  if (element?.datatype === undefined) {
    throw invalidModel(
      `${who} is of type ${element?.onnx ?? `number ${type.elementType}`}, which no protocol carries: cast it in the model`,
    );
  }
  for (const { size } of type.dimensions ?? []) {
    if (size < -1 || !Number.isSafeInteger(size)) throw invalidModel(`${who} has a dimension of ${size}`);
  }
  return {
    name,
    datatype: element.datatype,
    shape: (type.dimensions ?? []).map(({ size }) => BigInt(size)),
    symbols: (type.dimensions ?? []).map(({ symbol }) => symbol),
    unranked: type.dimensions === undefined,
  };
}

async function readType(cursor: WireCursor, field: WireField): Promise<ValueType> {
  let type: ValueType = { kind: 'absent' };
  await cursor.message(field, async (part) => {
    const other = OTHER_TYPES[part.number];
    if (part.number === 1) type = await readTensorType(cursor, part);
    else if (other !== undefined) type = { kind: 'other', onnx: other };
  });
  return type;
}

async function readTensorType(cursor: WireCursor, field: WireField): Promise<ValueType> {
  let elementType = 0;
  let dimensions: Dimension[] | undefined;
  await cursor.message(field, async (part) => {
    if (part.number === 1) {
      expectWireType(part, VARINT);
      elementType = part.value;
    }
    if (part.number === 2) {
      const read: Dimension[] = [];
      dimensions = read;
      await cursor.message(part, async (dimension) => {
        if (dimension.number !== 1) return;
        if (read.length === DIMENSIONS_MAX) throw invalidModel(`a value has more than ${DIMENSIONS_MAX} dimensions`);
        read.push(await readDimension(cursor, dimension));
      });
    }
  });
  return { kind: 'tensor', elementType, dimensions };
}

/** A dimension is a size, a symbol, or says nothing; some exporters write the size -1 for that, and ONNX Runtime takes it. */
async function readDimension(cursor: WireCursor, field: WireField): Promise<Dimension> {
  let size = -1;
  let symbol = '';
  await cursor.message(field, async (part) => {
    if (part.number === 1) {
      expectWireType(part, VARINT);
      size = part.value;
      symbol = '';
    }
    if (part.number === 2) {
      const text = await cursor.text(part, 'the name of a dimension');
      symbol = NO_SYMBOLS.has(text.toLowerCase()) ? '' : text;
      size = -1;
    }
  });
  return { size, symbol };
}
