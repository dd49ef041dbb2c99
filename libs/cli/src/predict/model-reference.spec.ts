import { parseModelReference, referenceText } from './model-reference';

describe('parseModelReference', () => {
  it.each([
    ['digits', { model: 'digits' }],
    ['digits@2', { model: 'digits', version: 2 }],
    ['digits@stable', { model: 'digits', label: 'stable' }],
    ['a.b-c_1@v2', { model: 'a.b-c_1', label: 'v2' }],
  ])('reads %s, and writes it again', (text, expected) => {
    expect(parseModelReference(text)).toEqual(expected);
    expect(referenceText(parseModelReference(text))).toBe(text);
  });

  it.each([
    ['digits@', /behind "@" stands a version's number or a label, such as digits@2 or digits@stable/],
    ['digits@1@2', /behind "@"/],
    ['digits@-1', /behind "@"/],
    ['digits@0', /N: "0" is not a version/],
    ['@2', /NAME: "" is not allowed/],
    ['-x', /NAME: "-x" is not allowed/],
  ])('refuses %s', (text, message) => {
    expect(() => parseModelReference(text)).toThrow(message);
  });
});
