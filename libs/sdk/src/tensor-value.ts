import type { Datatype } from '@bms/tensor';

export type { Datatype };

/** Elements of a tensor, row by row. See {@link TensorInput} for what goes with which datatype. */
export type TensorData =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array
  | readonly number[]
  | readonly bigint[]
  | readonly boolean[]
  | readonly string[]
  | readonly Uint8Array[];

/**
 * An input of a model.
 *
 * `data` may be the typed array of the datatype (which is sent without a copy where its bytes allow), or plain
 * `number[]`, `bigint[]`, `boolean[]`, and for BYTES `string[]` (sent as UTF-8) or `Uint8Array[]`. Numbers that the datatype
 * cannot hold are refused rather than wrapped. FP16 and BF16 take `number[]` or `Float32Array` (rounded to nearest)
 * or a `Uint16Array` of their bit patterns.
 */
export interface TensorInput {
  readonly datatype: Datatype;
  /** Whole numbers, 0 or more; their product is the number of elements. */
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** What `data` of an output is, by its datatype. FP16 and BF16 come widened to 32 bits, which holds them exactly. */
export interface OutputDataByDatatype {
  readonly BOOL: readonly boolean[];
  readonly UINT8: Uint8Array;
  readonly UINT16: Uint16Array;
  readonly UINT32: Uint32Array;
  readonly UINT64: BigUint64Array;
  readonly INT8: Int8Array;
  readonly INT16: Int16Array;
  readonly INT32: Int32Array;
  readonly INT64: BigInt64Array;
  readonly FP16: Float32Array;
  readonly BF16: Float32Array;
  readonly FP32: Float32Array;
  readonly FP64: Float64Array;
  readonly BYTES: readonly Uint8Array[];
}

/** An output of a model: a union by `datatype`, so that checking it tells what `data` is. */
export type TensorOutput = {
  readonly [D in Datatype]: {
    readonly datatype: D;
    readonly shape: readonly number[];
    readonly data: OutputDataByDatatype[D];
  };
}[Datatype];
