import { BmsError, Reason } from '@bms/contracts';

/** The field of inference.InferTensorContents that carries a datatype's values. */
export type ContentsField =
  | 'boolContents'
  | 'intContents'
  | 'int64Contents'
  | 'uintContents'
  | 'uint64Contents'
  | 'fp32Contents'
  | 'fp64Contents'
  | 'bytesContents';

/** What the rest of the world calls a datatype. */
export interface DatatypeFacts {
  /** Bytes of one element in raw contents; undefined for BYTES, whose elements have a length each. */
  readonly elementBytes: number | undefined;
  /** Number in ONNX's TensorProto.DataType. */
  readonly onnx: number;
  /** Name in onnxruntime-node's tensors and metadata; undefined where its JavaScript side has no such type. */
  readonly runtime: string | undefined;
  readonly numpy: string;
  /** Name and number in tensorflow.DataType. */
  readonly tensorflow: { readonly name: string; readonly number: number };
  /** undefined: the protocol has no typed form for it, only raw bytes. */
  readonly contents: ContentsField | undefined;
}

const facts = <Size extends number | undefined>(
  elementBytes: Size,
  onnx: number,
  runtime: string | undefined,
  numpy: string,
  tensorflow: readonly [name: string, number: number],
  contents: ContentsField | undefined,
): DatatypeFacts & { readonly elementBytes: Size } => ({
  elementBytes,
  onnx,
  runtime,
  numpy,
  tensorflow: { name: tensorflow[0], number: tensorflow[1] },
  contents,
});

/** Every datatype that BMS carries, by its name in the Open Inference Protocol. */
export const DATATYPES = {
  BOOL: facts(1, 9, 'bool', 'bool', ['DT_BOOL', 10], 'boolContents'),
  UINT8: facts(1, 2, 'uint8', 'uint8', ['DT_UINT8', 4], 'uintContents'),
  UINT16: facts(2, 4, 'uint16', 'uint16', ['DT_UINT16', 17], 'uintContents'),
  UINT32: facts(4, 12, 'uint32', 'uint32', ['DT_UINT32', 22], 'uintContents'),
  UINT64: facts(8, 13, 'uint64', 'uint64', ['DT_UINT64', 23], 'uint64Contents'),
  INT8: facts(1, 3, 'int8', 'int8', ['DT_INT8', 6], 'intContents'),
  INT16: facts(2, 5, 'int16', 'int16', ['DT_INT16', 5], 'intContents'),
  INT32: facts(4, 6, 'int32', 'int32', ['DT_INT32', 3], 'intContents'),
  INT64: facts(8, 7, 'int64', 'int64', ['DT_INT64', 9], 'int64Contents'),
  FP16: facts(2, 10, 'float16', 'float16', ['DT_HALF', 19], undefined),
  BF16: facts(2, 16, undefined, 'bfloat16', ['DT_BFLOAT16', 14], undefined),
  FP32: facts(4, 1, 'float32', 'float32', ['DT_FLOAT', 1], 'fp32Contents'),
  FP64: facts(8, 11, 'float64', 'float64', ['DT_DOUBLE', 2], 'fp64Contents'),
  BYTES: facts(undefined, 8, 'string', 'object', ['DT_STRING', 7], 'bytesContents'),
} as const satisfies Readonly<Record<string, DatatypeFacts>>;

/** A datatype's name in the Open Inference Protocol. */
export type Datatype = keyof typeof DATATYPES;
/** Those whose elements are all of one size. */
export type FixedSizeDatatype = Exclude<Datatype, 'BYTES'>;

export const DATATYPE_NAMES = Object.keys(DATATYPES) as readonly Datatype[];

const byRuntime = new Map(DATATYPE_NAMES.map((name) => [DATATYPES[name].runtime, name]));
const byOnnx = new Map<number, Datatype>(DATATYPE_NAMES.map((name) => [DATATYPES[name].onnx, name]));
const byNumpy = new Map<string, Datatype>(DATATYPE_NAMES.map((name) => [DATATYPES[name].numpy, name]));
const byTensorflow = new Map<number | string, Datatype>(
  DATATYPE_NAMES.flatMap((name) => [
    [DATATYPES[name].tensorflow.number, name],
    [DATATYPES[name].tensorflow.name, name],
  ]),
);

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(DATATYPES, name);
}

/** The datatype of that name in the Open Inference Protocol. Throws INVALID_TENSOR that names `field` and what is allowed. */
export function datatypeOf(name: string, field = 'datatype'): Datatype {
  if (isDatatype(name)) return name;
  throw unknownDatatype(field, name, DATATYPE_NAMES);
}

/** The datatype of onnxruntime-node's name, such as `float32`. Throws INVALID_TENSOR that names `field`. */
export function datatypeOfRuntime(name: string, field = 'datatype'): Datatype {
  return found(byRuntime, name, field);
}

/** The datatype of a number in ONNX's TensorProto.DataType. Throws INVALID_TENSOR that names `field`. */
export function datatypeOfOnnx(number: number, field = 'datatype'): Datatype {
  return found(byOnnx, number, field);
}

/** The datatype of numpy's name, such as `float32`. Throws INVALID_TENSOR that names `field`. */
export function datatypeOfNumpy(name: string, field = 'datatype'): Datatype {
  return found(byNumpy, name, field);
}

/** The datatype of tensorflow.DataType's number or name. Throws INVALID_TENSOR that names `field`. */
export function datatypeOfTensorflow(datatype: number | string, field = 'dtype'): Datatype {
  return found(byTensorflow, datatype, field);
}

function found<Key>(map: ReadonlyMap<Key, Datatype>, key: Key, field: string): Datatype {
  const datatype = map.get(key);
  if (datatype !== undefined) return datatype;
  throw unknownDatatype(field, String(key), [...map.keys()].filter((name) => name !== undefined).map(String));
}

function unknownDatatype(field: string, name: string, allowed: readonly string[]): BmsError {
  const shown = JSON.stringify(name.slice(0, 40));
  const description = `${shown} is not a datatype: allowed are ${allowed.join(', ')}`;
  return new BmsError(Reason.INVALID_TENSOR, `${field}: ${description}`, { violations: [{ field, description }] });
}
