import { messagePrefix, writePrefix } from './message-prefix';

describe('the prefix of a message', () => {
  it.each([
    [0, false, '0000000000'],
    [1, true, '0100000001'],
    [600_000, false, '00000927c0'],
    [2 ** 32 - 1, true, '01ffffffff'],
  ])('of %d bytes, compressed: %s, is %s', (sizeBytes, compressed, hex) => {
    expect(messagePrefix(sizeBytes, compressed).toString('hex')).toBe(hex);
  });

  it('is written where it belongs, and tells where the message goes', () => {
    const into = Buffer.alloc(8, 0xee);
    expect(writePrefix(into, 2, 258, false)).toBe(7);
    expect(into.toString('hex')).toBe('eeee0000000102ee');
  });
});
