import type { models } from '@bms/contracts';
import type { TensorData, TensorInput } from '@bms/sdk';
import { datatypeOf, type Datatype } from '@bms/tensor';

const WORDS = ['alpha', 'beta', 'gamma', 'delta'];

/**
 * Inputs that fit a signature: free dimensions are 1, floating-point values from 0 to 1, whole numbers 0 or 1 (which are legal
 * as indices, masks and token ids alike), strings short words.
 * @param random from 0 to 1
 */
export function madeUpInputs(signature: models.Signature, random: () => number): Readonly<Record<string, TensorInput>> {
  return Object.fromEntries(
    signature.inputs.map((spec) => {
      const shape = spec.shape.map((size) => (size < 0n ? 1 : Number(size)));
      const datatype = datatypeOf(spec.datatype);
      const elements = shape.reduce((product, size) => product * size, 1);
      return [spec.name, { datatype, shape, data: madeUpData(datatype, elements, random) }];
    }),
  );
}

function madeUpData(datatype: Datatype, elements: number, random: () => number): TensorData {
  const fill = <T>(make: () => T): T[] => Array.from({ length: elements }, make);
  switch (datatype) {
    case 'BYTES':
      return fill(() => WORDS[Math.floor(random() * WORDS.length)] ?? '');
    case 'BOOL':
      return fill(() => random() < 0.5);
    case 'FP16':
    case 'BF16':
    case 'FP32':
    case 'FP64':
      return fill(random);
    default:
      return fill(() => Math.floor(random() * 2));
  }
}

/** Numbers from 0 to 1 that are the same in each run (mulberry32), so that two loads send the same. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
