/** What ONNX calls an element type, and the datatype that carries it over the wire; undefined: none does. */
export interface ElementType {
  readonly onnx: string;
  readonly datatype: string | undefined;
  /** Bits of one element in raw data; 0 for strings, which have none. */
  readonly bits: number;
}

const carried = (onnx: string, datatype: string, bits: number): ElementType => ({ onnx, datatype, bits });
const notCarried = (onnx: string, bits: number): ElementType => ({ onnx, datatype: undefined, bits });

/** TensorProto.DataType, by number. */
export const ELEMENT_TYPES: ReadonlyMap<number, ElementType> = new Map([
  [1, carried('float', 'FP32', 32)],
  [2, carried('uint8', 'UINT8', 8)],
  [3, carried('int8', 'INT8', 8)],
  [4, carried('uint16', 'UINT16', 16)],
  [5, carried('int16', 'INT16', 16)],
  [6, carried('int32', 'INT32', 32)],
  [7, carried('int64', 'INT64', 64)],
  [8, carried('string', 'BYTES', 0)],
  [9, carried('bool', 'BOOL', 8)],
  [10, carried('float16', 'FP16', 16)],
  [11, carried('double', 'FP64', 64)],
  [12, carried('uint32', 'UINT32', 32)],
  [13, carried('uint64', 'UINT64', 64)],
  [14, notCarried('complex64', 64)],
  [15, notCarried('complex128', 128)],
  [16, carried('bfloat16', 'BF16', 16)],
  [17, notCarried('float8e4m3fn', 8)],
  [18, notCarried('float8e4m3fnuz', 8)],
  [19, notCarried('float8e5m2', 8)],
  [20, notCarried('float8e5m2fnuz', 8)],
  [21, notCarried('uint4', 4)],
  [22, notCarried('int4', 4)],
  [23, notCarried('float4e2m1', 4)],
  [24, notCarried('float8e8m0', 8)],
  [25, notCarried('uint2', 2)],
  [26, notCarried('int2', 2)],
]);
