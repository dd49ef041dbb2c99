import { elementsOfRaw, elementsOfTexts, rawOf, rawOfElements, tensorOfRaw, textsOfElements, typedArrayOf } from '.';
import { refusal } from './refusal.testkit';

const golden = Uint8Array.of(2, 0, 0, 0, 0x68, 0x69, 0, 0, 0, 0, 3, 0, 0, 0, 0xe2, 0x82, 0xac);

describe('raw contents', () => {
  it('are viewed where they are aligned and copied once where they are not', () => {
    const bytes = new Uint8Array(12);
    new DataView(bytes.buffer).setFloat32(4, 1.5, true);
    const aligned = typedArrayOf('FP32', bytes.subarray(4, 8));
    expect(aligned.buffer).toBe(bytes.buffer);
    expect([...aligned]).toEqual([1.5]);

    const shifted = new Uint8Array(13);
    shifted.set(bytes, 1);
    const copied = typedArrayOf('FP32', shifted.subarray(5, 9));
    expect(copied.buffer).not.toBe(shifted.buffer);
    expect([...copied]).toEqual([1.5]);
  });

  it('are a view of a typed array', () => {
    const array = BigInt64Array.of(-1n);
    expect(rawOf(array)).toEqual(new Uint8Array(8).fill(0xff));
    expect(rawOf(array).buffer).toBe(array.buffer);
  });

  it('of BYTES are elements with 4-byte little-endian lengths', () => {
    const elements = elementsOfTexts(['hi', '', '€']);
    expect(rawOfElements(elements)).toEqual(golden);
    expect(textsOfElements(elementsOfRaw(golden, 3, 'x'), 'x')).toEqual(['hi', '', '€']);
    expect(elementsOfRaw(new Uint8Array(), 0, 'x')).toEqual([]);
  });

  it.each([
    ['cut off in a length', golden.subarray(0, 8), 3, 'raw_input_contents[0]: breaks off in element 1'],
    ['cut off in an element', golden.subarray(0, 16), 3, 'breaks off in element 2'],
    ['a length of 4 GiB', Uint8Array.of(255, 255, 255, 255, 1), 1, 'breaks off in element 0'],
    ['one element too few', golden, 4, 'has 3 elements, but the shape takes 4'],
    ['one element too many', golden, 2, 'has 7 bytes after the last of the 2 elements'],
  ])('of BYTES are refused: %s', (_what, data, count, sentence) => {
    expect(refusal(() => elementsOfRaw(data, count, 'raw_input_contents[0]'))).toContain(sentence);
  });

  it('must fill the shape, and say what was expected', () => {
    const head = { name: 'x', datatype: 'FP32', shape: [1, 64] } as const;
    expect(refusal(() => tensorOfRaw(head, new Uint8Array(252), 'raw_input_contents[0]'))).toBe(
      'INVALID_TENSOR raw_input_contents[0]: has 252 bytes, but FP32 [1, 64] takes 256',
    );
  });

  it('of BOOL are zeros and ones', () => {
    const head = { name: 'x', datatype: 'BOOL', shape: [3] } as const;
    expect(tensorOfRaw(head, Uint8Array.of(0, 1, 0), 'x')).toMatchObject({ shape: [3] });
    expect(refusal(() => tensorOfRaw(head, Uint8Array.of(0, 1, 2), 'x'))).toContain(
      'x: byte 2 is 2: BOOL takes 0 and 1',
    );
  });

  it('that are no UTF-8 are refused as texts', () => {
    expect(refusal(() => textsOfElements([Uint8Array.of(0x61), Uint8Array.of(0xff)], 'x'))).toContain(
      'element 1 is not UTF-8',
    );
  });
});
