import { models } from '@bms/contracts';
import { DATATYPE_NAMES } from '@bms/tensor';
import { madeUpInputs, seededRandom } from './made-up-inputs';

describe('madeUpInputs', () => {
  it('fits every datatype, with 1 for free dimensions', () => {
    const signature = models.Signature.create({
      inputs: DATATYPE_NAMES.map((datatype) => ({ name: datatype, datatype, shape: [-1n, 3n] })),
    });
    const inputs = madeUpInputs(signature, seededRandom(1));
    expect(Object.keys(inputs)).toEqual(DATATYPE_NAMES);
    for (const name of DATATYPE_NAMES) {
      expect(inputs[name]).toMatchObject({ datatype: name, shape: [1, 3] });
      expect(inputs[name]?.data).toHaveLength(3);
    }
    for (const value of inputs['FP32']?.data as readonly number[]) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThan(1);
    }
    for (const index of inputs['INT64']?.data as readonly number[]) expect([0, 1]).toContain(index);
  });

  it('makes a scalar', () => {
    const signature = models.Signature.create({ inputs: [{ name: 'x', datatype: 'FP32', shape: [] }] });
    expect(madeUpInputs(signature, () => 0.5)).toEqual({ x: { datatype: 'FP32', shape: [], data: [0.5] } });
  });
});

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, spread from 0 to 1', () => {
    const [one, again, other] = [seededRandom(1), seededRandom(1), seededRandom(2)];
    const numbers = Array.from({ length: 1_000 }, one);
    expect(Array.from({ length: 1_000 }, again)).toEqual(numbers);
    expect(other()).not.toBe(numbers[0]);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(numbers.reduce((sum, value) => sum + value) / 1_000).toBeCloseTo(0.5, 1);
  });
});
