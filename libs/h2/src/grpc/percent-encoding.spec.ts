import { decodeMessage, encodeMessage, MESSAGE_MAX_BYTES } from './percent-encoding';
import { randomText, seededRandom } from './seeded-random.fixture';

/** What a field's value may be in HTTP/2, of what `grpc-message` uses. */
const FIELD_VALUE = /^(?:[!-~](?:[ -~]*[!-~])?)?$/;

describe('grpc-message', () => {
  it.each([
    ['', ''],
    ['plain, with "quotes" and spaces', 'plain, with "quotes" and spaces'],
    ['100%', '100%25'],
    ['line\r\nline', 'line%0D%0Aline'],
    ['größer', 'gr%C3%B6%C3%9Fer'],
    ['☺', '%E2%98%BA'],
    ['😀', '%F0%9F%98%80'],
    [' at the edges ', '%20at the edges%20'],
    ['   ', '%20%20%20'],
    ['\u0000\u007f', '%00%7F'],
  ])('carries %j as %s and back', (message, encoded) => {
    expect(encodeMessage(message)).toBe(encoded);
    expect(decodeMessage(encoded)).toBe(message);
  });

  it('replaces what no UTF-8 can carry', () => {
    expect(encodeMessage('a\ud800b')).toBe('a%EF%BF%BDb');
  });

  it.each([
    ['%', '%'],
    ['%2', '%2'],
    ['%zz and %4', '%zz and %4'],
    ['%%41', '%A'],
    ['%e2%98%ba', '☺'],
    ['%E2%98', '\ufffd'],
    ['%FF', '\ufffd'],
    ['\u00c3\u00b6', 'ö'],
    ['%00', '\u0000'],
  ])('reads %j, which nobody should send, as %j', (value, message) => {
    expect(decodeMessage(value)).toBe(message);
  });

  it('is cut between characters where it is too long', () => {
    const encoded = encodeMessage('ß'.repeat(5_000));
    expect(encoded.length).toBe(MESSAGE_MAX_BYTES - (MESSAGE_MAX_BYTES % 6));
    expect(decodeMessage(encoded)).toBe('ß'.repeat(encoded.length / 6));
    expect(encodeMessage('x'.repeat(9_000))).toBe('x'.repeat(MESSAGE_MAX_BYTES));
    expect(encodeMessage('one two', 4)).toBe('one');
    expect(decodeMessage('y'.repeat(100_000))).toBe('y'.repeat(MESSAGE_MAX_BYTES));
  });

  it('comes back as it was, for any text, and is always a field value', () => {
    const random = seededRandom(11);
    const wrong: string[] = [];
    for (let i = 0; i < 50_000; i++) {
      const message = randomText(random, 'ab %\t\n\u0000\u007fäß☺', Math.floor(random() * 40)).replace(/a/g, '😀');
      const encoded = encodeMessage(message);
      if (!FIELD_VALUE.test(encoded) || decodeMessage(encoded) !== message) wrong.push(message);
    }
    expect(wrong).toEqual([]);
  });

  it('never throws, whatever comes', () => {
    const random = seededRandom(12);
    const wrong: string[] = [];
    for (let i = 0; i < 50_000; i++) {
      const value = randomText(random, '%%%0123456789abcdefABCDEFx \u0000\u00ff\u0080', Math.floor(random() * 30));
      if (typeof decodeMessage(value) !== 'string') wrong.push(value);
      const message = randomText(random, 'a\ud800\udc00 %', Math.floor(random() * 20));
      if (!FIELD_VALUE.test(encodeMessage(message, 20))) wrong.push(message);
    }
    expect(wrong).toEqual([]);
  });
});
