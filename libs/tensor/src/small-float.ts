/** A binary floating-point format of 16 bits. */
interface SmallFormat {
  readonly mantissaBits: number;
  readonly bias: number;
}

const FORMATS = {
  FP16: { mantissaBits: 10, bias: 15 },
  BF16: { mantissaBits: 7, bias: 127 },
} as const satisfies Readonly<Record<string, SmallFormat>>;

/** Datatypes whose typed arrays hold bits. */
export type SmallFloat = keyof typeof FORMATS;

/** The bits of the FP16 or BF16 number that is nearest (ties to even); what is beyond the largest becomes Infinity. */
export function smallFloatBits(datatype: SmallFloat, value: number): number {
  const { mantissaBits, bias } = FORMATS[datatype];
  const exponentMax = 2 ** (15 - mantissaBits) - 1;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const infinity = exponentMax << mantissaBits;
  if (Number.isNaN(value)) return infinity | (1 << (mantissaBits - 1));
  const size = Math.abs(value);
  if (size === 0) return sign;
  // Numbers below the smallest normal one share its exponent, and so lose digits.
  const exponent = Math.max(exponentOf(size), 1 - bias);
  const mantissa = roundToEven(size / 2 ** (exponent - mantissaBits));
  // A mantissa that rounds up to the next power of two carries into the exponent, which is what is wanted.
  const bits = (exponent + bias - 1) * 2 ** mantissaBits + mantissa;
  return sign | Math.min(bits, infinity);
}

/** The number that FP16 or BF16 bits stand for. */
export function smallFloatValue(datatype: SmallFloat, bits: number): number {
  const { mantissaBits, bias } = FORMATS[datatype];
  const exponentMax = 2 ** (15 - mantissaBits) - 1;
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits & 0x7fff) >> mantissaBits;
  const mantissa = bits & (2 ** mantissaBits - 1);
  if (exponent === exponentMax) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (mantissa + 2 ** mantissaBits) * 2 ** (exponent - bias - mantissaBits);
}

function exponentOf(size: number): number {
  if (size === Infinity) return 1024;
  const near = Math.floor(Math.log2(size));
  if (2 ** near > size) return near - 1;
  return 2 ** (near + 1) <= size ? near + 1 : near;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
