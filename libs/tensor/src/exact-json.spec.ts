import { parseExactJson, type JsonObject, type JsonValue } from '.';
import { refusal } from './refusal.testkit';

/** As JSON.parse would give it. */
function plain(value: JsonValue): unknown {
  if (value instanceof Map)
    return Object.fromEntries([...(value as JsonObject)].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? (value as readonly JsonValue[]).map(plain) : value;
}

describe('parseExactJson', () => {
  it.each([
    '{"a": [1, -2.5, 1e3, 0.1, 1E-7, 2e+2, true, false, null, "x"], "b": {"c": []}, "d": {}}',
    '  [ ]\n',
    '"\\u20ac \\"quoted\\" \\\\ \\n"',
    '[0.30000000000000004, 123456789012345, 0.123456789012345678, 1.7976931348623157e308, 5e-324, 99999999999999.99]',
    '-0',
    '0.000001',
    '"€😀"',
  ])('gives what JSON.parse gives: %s', (text) => {
    expect(plain(parseExactJson(text))).toEqual(JSON.parse(text));
  });

  it('gives every double as JSON.parse does', () => {
    let state = 42; // any seed: a fixed sequence of numbers of all sizes
    const next = (): number => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
    const numbers = Array.from({ length: 5000 }, () => (next() - 0.5) * 10 ** Math.floor(next() * 40 - 20));
    const texts = numbers.flatMap((number) => [String(number), number.toPrecision(6), number.toFixed(10)]);
    const text = `[${texts.join(',')}]`;
    expect((parseExactJson(text) as readonly JsonValue[]).map(Number)).toEqual(JSON.parse(text));
  });

  it('keeps whole numbers beyond 2^53 exact', () => {
    expect(parseExactJson('[9007199254740993, -9223372036854775808, 18446744073709551615, 9007199254740991]')).toEqual([
      9007199254740993n,
      -9223372036854775808n,
      18446744073709551615n,
      9007199254740991,
    ]);
  });

  it('takes keys that mean something to objects as mere keys', () => {
    expect((parseExactJson('{"__proto__": 1}') as ReadonlyMap<string, unknown>).get('__proto__')).toBe(1);
  });

  it.each([
    [
      'NaN',
      '{"instances": [[1, NaN]]}',
      'instances[0][1]: is not JSON at line 1, column 20: "NaN" is no value of JSON: send finite numbers',
    ],
    ['Infinity', '[-Infinity]', '[0]: is not JSON at line 1, column 2: "-Infinity" is no number'],
    ['nothing', '', 'INVALID_REQUEST body: is not JSON at line 1, column 1: it breaks off'],
    ['text that is cut off', '{"a": [1, 2', 'a[1]: is not JSON at line 1, column 12: it breaks off: "," or "]" is due'],
    ['a string that is cut off', '["abc', 'it breaks off in a string'],
    ['a comma before the end', '[1,]', '[1]: is not JSON at line 1, column 4: "]" is no value'],
    ['two values', '[1] 2', 'body: is not JSON at line 1, column 5: "2" stands behind the end'],
    ['a missing comma', '[1\n 2]', 'line 2, column 2: "," or "]" is due, not "2"'],
    ['a key without quotes', '{a: 1}', 'a key in quotes is due, not "a"'],
    ['a missing colon', '{"a" 1}', '":" is due, not "1"'],
    ['a key that is there twice', '{"a": 1, "a": 2}', 'the key "a" is there twice'],
    ['a leading zero', '[01]', '"01" is no number'],
    ['a lone minus', '[-]', '"-" is no number'],
    ['a point without digits', '[1.]', '"1." is no number'],
    ['an exponent without digits', '[1e]', '"1e" is no number'],
    ['a plus', '[+1]', '"+1" is no value'],
    ['a line break in a string', '["a\nb"]', 'a control character in a string'],
    ['a wrong escape', '["\\x"]', 'a string has a wrong escape'],
    ['depth without end', '['.repeat(100_000), 'nested more than 100 deep'],
  ])('refuses %s, with the place', (_what, text, sentence) => {
    expect(refusal(() => parseExactJson(text))).toContain(sentence);
  });

  it('takes no time for a number of a million digits', () => {
    expect(parseExactJson('9'.repeat(1_000_000))).toBe(Infinity);
  });
});
