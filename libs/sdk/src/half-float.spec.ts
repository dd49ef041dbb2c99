import { bf16Of, fp16Of, valueOfBf16, valueOfFp16 } from './half-float';

const isNaNBits = (bits: number, exponentMask: number, fractionMask: number): boolean =>
  (bits & exponentMask) === exponentMask && (bits & fractionMask) !== 0;

describe('half floats', () => {
  it('give every half back as it was', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      if (isNaNBits(bits, 0x7c00, 0x3ff)) expect(valueOfFp16(bits)).toBeNaN();
      else if (fp16Of(valueOfFp16(bits)) !== bits) throw new Error(`0x${bits.toString(16)} does not come back`);
    }
  });

  it('give every bfloat16 back as it was', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      if (isNaNBits(bits, 0x7f80, 0x7f)) expect(valueOfBf16(bits)).toBeNaN();
      else if (bf16Of(valueOfBf16(bits)) !== bits) throw new Error(`0x${bits.toString(16)} does not come back`);
    }
  });

  it.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [65_504, 0x7bff],
    [65_519.99, 0x7bff],
    [65_520, 0x7c00],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000], // a tie between 0 and the smallest: to even
    [2 ** -25 * 1.001, 0x0001],
    [2 ** -14, 0x0400],
    [1 + 2 ** -11, 0x3c00], // a tie: to even
    [1 + 3 * 2 ** -11, 0x3c02],
    [-0, 0x8000],
    [Infinity, 0x7c00],
  ])('round %p to the half 0x%p', (value, bits) => {
    expect(fp16Of(value)).toBe(bits);
  });

  it('round to the nearest bfloat16, ties to even', () => {
    expect([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.4e38].map(bf16Of)).toEqual([0x3f80, 0x3f80, 0x3f82, 0x7f80]);
  });
});
