import { smallFloatBits, smallFloatValue } from '.';

const INFINITY_BITS = { FP16: 0x7c00, BF16: 0x7f80 };
const isNaNBits = (datatype: 'FP16' | 'BF16', bits: number): boolean => (bits & 0x7fff) > INFINITY_BITS[datatype];

describe('FP16 and BF16', () => {
  it.each(['FP16', 'BF16'] as const)('%s: all bits survive the way through a number', (datatype) => {
    const lost: number[] = [];
    for (let bits = 0; bits < 2 ** 16; bits++) {
      const value = smallFloatValue(datatype, bits);
      // A NaN comes back as a NaN, whatever else its bits said.
      if (Number.isNaN(value) !== isNaNBits(datatype, bits)) lost.push(bits);
      else if (!Number.isNaN(value) && smallFloatBits(datatype, value) !== bits) lost.push(bits);
    }
    expect(lost).toEqual([]);
  });

  it.each([
    ['FP16', 1, 0x3c00],
    ['FP16', -2, 0xc000],
    ['FP16', 0.1, 0x2e66],
    ['FP16', 65504, 0x7bff],
    ['FP16', 65519.99, 0x7bff],
    ['FP16', 65520, 0x7c00],
    ['FP16', 1 + 2 ** -11, 0x3c00],
    ['FP16', 1 + 3 * 2 ** -11, 0x3c02],
    ['FP16', 2049, 0x6800], // a tie goes to the even neighbour, 2048
    ['FP16', 2051, 0x6802],
    ['FP16', 2 ** -24, 0x0001],
    ['FP16', 2 ** -25, 0x0000],
    ['FP16', 2 ** -25 * 1.01, 0x0001],
    ['FP16', 2 ** -14, 0x0400],
    ['FP16', 2 ** -14 - 2 ** -26, 0x0400], // rounds up into the smallest normal number
    ['FP16', -0, 0x8000],
    ['FP16', Infinity, 0x7c00],
    ['FP16', -Infinity, 0xfc00],
    ['FP16', NaN, 0x7e00],
    ['BF16', 1, 0x3f80],
    ['BF16', 1 + 2 ** -8, 0x3f80],
    ['BF16', 1 + 3 * 2 ** -8, 0x3f82],
    ['BF16', 3.14159, 0x4049],
    ['BF16', 3.4e38, 0x7f80],
    ['BF16', NaN, 0x7fc0],
  ] as const)('%s: %d has the bits %i', (datatype, value, bits) => {
    expect(smallFloatBits(datatype, value)).toBe(bits);
  });
});
