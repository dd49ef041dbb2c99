/** What ONNX calls an element type, and the datatype that carries it over the wire; undefined: none does. */
export interface ElementType {
  readonly onnx: string;
  readonly datatype: string | undefined;
}

const carried = (onnx: string, datatype: string): ElementType => ({ onnx, datatype });
const notCarried = (onnx: string): ElementType => ({ onnx, datatype: undefined });

/** TensorProto.DataType, by number. */
export const ELEMENT_TYPES: ReadonlyMap<number, ElementType> = new Map([
  [1, carried('float', 'FP32')],
  [2, carried('uint8', 'UINT8')],
  [3, carried('int8', 'INT8')],
  [4, carried('uint16', 'UINT16')],
  [5, carried('int16', 'INT16')],
  [6, carried('int32', 'INT32')],
  [7, carried('int64', 'INT64')],
  [8, carried('string', 'BYTES')],
  [9, carried('bool', 'BOOL')],
  [10, carried('float16', 'FP16')],
  [11, carried('double', 'FP64')],
  [12, carried('uint32', 'UINT32')],
  [13, carried('uint64', 'UINT64')],
  [14, notCarried('complex64')],
  [15, notCarried('complex128')],
  [16, carried('bfloat16', 'BF16')],
  [17, notCarried('float8e4m3fn')],
  [18, notCarried('float8e4m3fnuz')],
  [19, notCarried('float8e5m2')],
  [20, notCarried('float8e5m2fnuz')],
  [21, notCarried('uint4')],
  [22, notCarried('int4')],
  [23, notCarried('float4e2m1')],
  [24, notCarried('float8e8m0')],
  [25, notCarried('uint2')],
  [26, notCarried('int2')],
]);
