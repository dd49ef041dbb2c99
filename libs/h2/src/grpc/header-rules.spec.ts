import { requestFault, responseFault, trailerFault } from './header-rules';
import { randomText, seededRandom } from './seeded-random.fixture';

/** A request of any kind, with `more` behind it. */
function request(...more: string[]): string[] {
  return [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'a:1', ...more];
}

describe('requestFault', () => {
  it.each<[string, string[], number | undefined]>([
    ['a plain one', request(), undefined],
    ['pseudo-headers in any order', [':path', '/', ':scheme', 'https', ':method', 'GET'], undefined],
    ['no authority, but a host', [':method', 'GET', ':scheme', 'http', ':path', '/', 'host', 'a'], undefined],
    ['the same host in other letters', request('host', 'A:1'), undefined],
    ['the asterisk of OPTIONS', [':method', 'OPTIONS', ':scheme', 'http', ':path', '*'], undefined],
    ['any method and scheme', [':method', 'M-SEARCH', ':scheme', 'coap+tcp', ':path', '/'], undefined],
    ['CONNECT', [':method', 'CONNECT', ':authority', 'a:1'], undefined],
    ['te: trailers', request('te', 'trailers'), undefined],
    ['a content-length', request('content-length', '17'), 17],
    ['a content-length of 0', request('content-length', '0'), 0],
    ['an empty value, a tab and octets beyond ASCII inside', request('a', '', 'b', 'x\ty', 'c', 'x\u00ffy'), undefined],
    ['every octet that a name may have', request("!#$%&'*+-.^_`|~09az", '1'), undefined],
    ['a path without a slash: whoever routes has no such route', request().with(5, 'service/method'), undefined],
  ])('finds none in %s', (_what, fields, contentLength) => {
    expect(requestFault(fields)).toEqual({ fault: undefined, contentLength });
  });

  it.each<[string, string[], string]>([
    ['nothing at all', [], ':method is missing'],
    ['no method', [':scheme', 'http', ':path', '/'], ':method is missing'],
    ['no scheme', [':method', 'GET', ':path', '/'], ':scheme is missing'],
    ['no path', [':method', 'GET', ':scheme', 'http'], ':path is missing'],
    ['an empty method', request().with(1, ''), '":method" is ""'],
    ['an empty scheme', request().with(3, ''), '":scheme" is ""'],
    ['an empty path', request().with(5, ''), '":path" is ""'],
    ['an empty authority', request().with(7, ''), '":authority" is ""'],
    ['two methods', [':method', 'GET', ...request()], ':method comes twice'],
    ['two schemes', [':scheme', 'http', ...request()], ':scheme comes twice'],
    ['two paths', [':path', '/', ...request()], ':path comes twice'],
    ['two authorities', [':authority', 'a:1', ...request()], ':authority comes twice'],
    ['a pseudo-header of answers', [':status', '200', ...request()], '":status" is no pseudo-header of a request'],
    ['an unknown pseudo-header', [':protocol', 'x', ...request()], '":protocol" is no pseudo-header of a request'],
    ['a pseudo-header without a name', [':', 'x', ...request()], '":" is no pseudo-header of a request'],
    [
      'a late pseudo-header',
      [...request('a', '1'), ':path', '/'],
      'the pseudo-header ":path" comes after other fields',
    ],
    ['a path with a line break', request().with(5, '/\r\nhost: x'), '":path" is "/\\r\\nhost: x"'],
    ['a path with blanks around', request().with(5, ' /'), '":path" is " /"'],
    ['a blank in the path', request().with(5, '/ HTTP/1.1'), '":path" is "/ HTTP/1.1"'],
    ['a tab in the authority', request().with(7, 'a\tb'), '":authority" is "a\\tb"'],
    ['a method that is a line', request().with(1, 'GET / HTTP/1.1'), '":method" is "GET / HTTP/1.1"'],
    ['a method that is no token', request().with(1, 'GET/'), '":method" is "GET/"'],
    ['a scheme that is none', request().with(3, 'http://a'), '":scheme" is "http://a"'],
    ['a scheme that begins with a digit', request().with(3, '1http'), '":scheme" is "1http"'],
    ['a user in the authority', request().with(7, 'me@a:1'), ':authority names a user'],
    [
      'CONNECT with a path',
      [':method', 'CONNECT', ':path', '/', ':authority', 'a'],
      'CONNECT takes no :scheme and no :path',
    ],
    ['CONNECT without an authority', [':method', 'CONNECT'], 'CONNECT takes an :authority'],
    ['another host', request('host', 'b:1'), 'host is not what :authority says'],
    ['another port', request('host', 'a:2'), 'host is not what :authority says'],
    ['two hosts', request('host', 'a:1', 'host', 'a:1'), 'host comes twice'],
    ['an empty name', request('', 'x'), '"" is not a field name'],
    ['upper case', request('X-Test', 'x'), '"X-Test" is not a field name'],
    ['a blank in a name', request('x test', 'x'), '"x test" is not a field name'],
    ['a colon in a name', request('x:test', 'x'), '"x:test" is not a field name'],
    ['a name beyond ASCII', request('x\u00e4', 'x'), '"xä" is not a field name'],
    ['connection', request('connection', 'close'), 'connection belongs to HTTP/1.1 connections'],
    ['keep-alive', request('keep-alive', '1'), 'keep-alive belongs to HTTP/1.1 connections'],
    ['proxy-connection', request('proxy-connection', 'x'), 'proxy-connection belongs to HTTP/1.1 connections'],
    ['transfer-encoding', request('transfer-encoding', 'chunked'), 'transfer-encoding belongs to HTTP/1.1 connections'],
    ['upgrade', request('upgrade', 'h2c'), 'upgrade belongs to HTTP/1.1 connections'],
    ['te: gzip', request('te', 'gzip'), 'te may be "trailers" and nothing else'],
    ['te: trailers and more', request('te', 'trailers, deflate'), 'te may be "trailers" and nothing else'],
    ['an empty te', request('te', ''), 'te may be "trailers" and nothing else'],
    ['an empty content-length', request('content-length', ''), 'content-length is ""'],
    ['a negative content-length', request('content-length', '-1'), 'content-length is "-1"'],
    ['a content-length with a sign', request('content-length', '+1'), 'content-length is "+1"'],
    ['a content-length in hex', request('content-length', '0x1'), 'content-length is "0x1"'],
    ['two content-lengths in one', request('content-length', '5, 5'), 'content-length is "5, 5"'],
    ['a content-length without end', request('content-length', '9'.repeat(16)), 'content-length is "9999999999999999"'],
    ['two content-lengths', request('content-length', '5', 'content-length', '5'), 'content-length comes twice'],
  ])('finds one in %s', (_what, fields, fault) => {
    expect(requestFault(fields)).toEqual({ fault, contentLength: undefined });
  });

  it('takes no control character in any value, at any place, and no blank around it', () => {
    for (let octet = 0; octet < 256; octet++) {
      const character = String.fromCharCode(octet);
      const control = (octet < 0x20 && octet !== 9) || octet === 0x7f;
      const blank = octet === 9 || octet === 0x20;
      for (const [value, wrong] of [
        [`a${character}b`, control],
        [`${character}b`, control || blank],
        [`a${character}`, control || blank],
        [character, control || blank],
      ] as const) {
        const fault = wrong ? 'the value of x has characters that are not allowed there' : undefined;
        expect(requestFault(request('x', value)).fault).toBe(fault);
        expect(trailerFault(['x', value])).toBe(fault);
        expect(responseFault([':status', '200', 'x', value]).fault).toBe(fault);
      }
    }
  });

  it('takes no name with an octet that is none of a token in lower case', () => {
    for (let octet = 0; octet < 256; octet++) {
      const character = String.fromCharCode(octet);
      const right = /[!#$%&'*+\-.^_`|~0-9a-z]/.test(character);
      expect(requestFault(request(`x${character}`, '1')).fault === undefined).toBe(right);
      expect(trailerFault([`x${character}`, '1']) === undefined).toBe(right);
    }
  });
});

describe('responseFault', () => {
  it.each<[string[], number | undefined]>([
    [[':status', '200'], undefined],
    [[':status', '103', 'link', 'x'], undefined],
    [[':status', '200', 'content-length', '3', 'content-type', 'application/grpc'], 3],
  ])('finds none in %j', (fields, contentLength) => {
    expect(responseFault(fields)).toEqual({ fault: undefined, contentLength });
  });

  it.each<[string[], string]>([
    [[], ':status is missing or not the first field'],
    [['a', '1', ':status', '200'], ':status is missing or not the first field'],
    [[':status', '20'], ':status is "20"'],
    [[':status', '2000'], ':status is "2000"'],
    [[':status', '200 '], ':status is "200 "'],
    [[':status', '020'], ':status is "020"'],
    [[':status', '101'], 'HTTP/2 has no 101'],
    [[':status', '200', ':status', '200'], '":status" has no place behind :status'],
    [[':status', '200', ':path', '/'], '":path" has no place behind :status'],
    [[':status', '200', 'a', '1', ':status', '200'], 'the pseudo-header ":status" comes after other fields'],
    [[':status', '200', 'connection', 'close'], 'connection belongs to HTTP/1.1 connections'],
    [[':status', '200', 'content-length', '1', 'content-length', '2'], 'content-length comes twice'],
  ])('finds one in %j', (fields, fault) => {
    expect(responseFault(fields)).toEqual({ fault, contentLength: undefined });
  });
});

describe('trailerFault', () => {
  it('finds none in trailers as gRPC sends them', () => {
    expect(trailerFault([])).toBeUndefined();
    expect(trailerFault(['grpc-status', '0', 'grpc-message', '', 'x-bin', 'AQI'])).toBeUndefined();
  });

  it.each<[string[], string]>([
    [[':status', '200'], 'the pseudo-header ":status" among trailers'],
    [['grpc-status', '0', ':path', '/'], 'the pseudo-header ":path" among trailers'],
    [['content-length', '0'], 'content-length among trailers'],
    [['Grpc-Status', '0'], '"Grpc-Status" is not a field name'],
    [['transfer-encoding', 'chunked'], 'transfer-encoding belongs to HTTP/1.1 connections'],
    [['grpc-message', 'x\n'], 'the value of grpc-message has characters that are not allowed there'],
  ])('finds one in %j', (fields, fault) => {
    expect(trailerFault(fields)).toBe(fault);
  });
});

it('header lists of anything at all are judged without a throw', () => {
  const random = seededRandom(23);
  const names = [
    ':method',
    ':path',
    ':scheme',
    ':authority',
    ':status',
    'host',
    'te',
    'content-length',
    'a',
    'B',
    '',
    ':',
  ];
  const values = ['GET', '/', 'http', 'a', 'trailers', '12', '', ' ', '\r\n', '\u0000', 'CONNECT', '200'];
  const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)] ?? '';
  const tally = { right: 0, wrong: 0 };
  for (let i = 0; i < 30_000; i++) {
    const fields: string[] = random() < 0.5 ? request() : [];
    for (let n = Math.floor(random() * 6); n > 0; n--) {
      fields.push(random() < 0.9 ? pick(names) : randomText(random, 'a:B \u0000\u00ff', 4), pick(values));
    }
    tally[requestFault(fields).fault === undefined ? 'right' : 'wrong'] += 1;
    responseFault(fields);
    trailerFault(fields);
  }
  expect(tally.right).toBeGreaterThan(1_000);
  expect(tally.wrong).toBeGreaterThan(1_000);
});
