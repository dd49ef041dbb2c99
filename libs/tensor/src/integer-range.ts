import { DATATYPES, type FixedSizeDatatype } from './datatypes';

/** Datatypes of whole numbers. */
export type IntegerDatatype = Exclude<FixedSizeDatatype, 'BOOL' | 'FP16' | 'BF16' | 'FP32' | 'FP64'>;

/** The smallest and the largest value of a datatype, both included. */
export interface IntegerRange {
  readonly min: bigint;
  readonly max: bigint;
}

export function isInteger(datatype: string): datatype is IntegerDatatype {
  return Object.hasOwn(RANGES, datatype);
}

export function integerRange(datatype: IntegerDatatype): IntegerRange {
  return RANGES[datatype];
}

/** `-128 to 127` */
export function describeRange({ min, max }: IntegerRange): string {
  return `${min} to ${max}`;
}

function rangeOf(datatype: IntegerDatatype): IntegerRange {
  const bits = BigInt(DATATYPES[datatype].elementBytes * 8);
  return datatype.startsWith('U')
    ? { min: 0n, max: 2n ** bits - 1n }
    : { min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 1n };
}

const RANGES: Readonly<Record<IntegerDatatype, IntegerRange>> = {
  UINT8: rangeOf('UINT8'),
  UINT16: rangeOf('UINT16'),
  UINT32: rangeOf('UINT32'),
  UINT64: rangeOf('UINT64'),
  INT8: rangeOf('INT8'),
  INT16: rangeOf('INT16'),
  INT32: rangeOf('INT32'),
  INT64: rangeOf('INT64'),
};
