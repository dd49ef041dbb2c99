import { HeaderBlock } from './answer-status';

const STATUS = '9acac8b21234da8f'; // grpc-status in Huffman's code
const PLAIN = Buffer.from('grpc-status').toString('hex');

/** @param hex of the block */
function block(hex: string): HeaderBlock {
  const bytes = Buffer.from(hex, 'hex');
  return new HeaderBlock(bytes, 0, bytes.length);
}

describe('HeaderBlock', () => {
  it.each([
    ['a coded name and a plain value', `0088${STATUS}0130`],
    ['a coded value', `0088${STATUS}8107`],
    ['a plain name', `000b${PLAIN}0130`],
    ['a name that is never to be indexed', `100b${PLAIN}0130`],
    ['a name that is to be indexed', `400b${PLAIN}0130`],
    ['other fields around it', `8800016101620088${STATUS}01305f016388`],
    ['a change of the table size before it', `20000b${PLAIN}0130`],
  ])('finds status 0 with %s', (_what, hex) => {
    expect(block(hex).hasStatusZero()).toBe(true);
  });

  it.each([
    ['another status', `0088${STATUS}0133`],
    ['two digits', `0088${STATUS}023030`],
    ['no status', '000161013000016201300088'.slice(0, 20)],
    ['the status twice', `0088${STATUS}01300088${STATUS}0130`],
    ['a contradiction', `0088${STATUS}01300088${STATUS}0133`],
  ])('does not take %s for status 0', (_what, hex) => {
    expect(block(hex).hasStatusZero()).toBe(false);
  });

  it.each([
    ['a dynamic entry', 'be'],
    ['a dynamic name', '7e0130'],
    ['a text that breaks off', '000b6162'],
  ])('refuses %s', (_what, hex) => {
    expect(() => block(hex).hasStatusZero()).toThrow('a header block of the answer');
  });

  it('sees whether the answer begins with HTTP status 200', () => {
    expect([block('88').isOk, block('2088').isOk, block('8d').isOk]).toEqual([true, true, false]);
  });
});
