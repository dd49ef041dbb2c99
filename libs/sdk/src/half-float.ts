/** Conversions between 32-bit floats and the 16-bit ones, for which JavaScript before Float16Array has no numbers. */

const scratch = new DataView(new ArrayBuffer(8));

/** The value of an IEEE 754 half. */
export function valueOfFp16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest half, ties to even; beyond its range infinity. */
export function fp16Of(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65_520) return sign | 0x7c00; // halfway from the largest half (65504) to 2^16
  const exponent = Math.max(exponentOf(size), -14);
  const steps = roundToEven(size / 2 ** (exponent - 10)); // exact: dividing by a power of two loses nothing
  // Steps of 1024 and more carry into the exponent's bits by themselves, those below are subnormal.
  return sign | (steps + (exponent + 14) * 1024);
}

/** The value of a bfloat16: a 32-bit float's upper half. */
export function valueOfBf16(bits: number): number {
  scratch.setUint32(0, (bits << 16) >>> 0);
  return scratch.getFloat32(0);
}

/** The bfloat16 nearest to the value's 32-bit float, ties to even. */
export function bf16Of(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The power of two of a number above 0, and far below -14 for 0. */
function exponentOf(size: number): number {
  scratch.setFloat64(0, size);
  return ((scratch.getUint16(0) >> 4) & 0x7ff) - 1023;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
