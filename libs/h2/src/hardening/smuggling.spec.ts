import { ErrorCode } from '../frames/error-code';
import { clientStreamId, endsWith, resetOn } from '../testkit/attack';
import { callFields, fieldOf, grpcMessage } from '../testkit/grpc-request';
import { literalBlock } from '../testkit/header-block';
import { answerOn, rawCall } from '../testkit/raw-call';
import { dataFrame, headersFrame } from '../testkit/raw-frame';
import type { RawPeer } from '../testkit/raw-peer';
import { Target, TargetPath } from '../testkit/target';

// RFC 9113 §8.2 and §8.3: what two readers of one request could read differently.

let target: Target;
let peer: RawPeer;

beforeEach(async () => {
  target = await Target.start();
  peer = await target.open();
});

afterEach(async () => {
  await peer.close();
  await target.close();
  expect(target.internalErrors).toEqual([]);
});

/** A good request, changed: a name with `undefined` is left out, others are replaced. */
function changed(fields: Readonly<Record<string, string | undefined>>): readonly string[] {
  const good = callFields(TargetPath.ECHO);
  const list: string[] = [];
  for (let i = 0; i < good.length; i += 2) {
    const name = good[i] ?? '';
    const value = name in fields ? fields[name] : good[i + 1];
    if (value !== undefined) list.push(name, value);
  }
  return list;
}

const plus = (...more: readonly string[]): readonly string[] => callFields(TargetPath.ECHO, more);

describe('a request is malformed, and its stream reset,', () => {
  const malformed: readonly [string, readonly string[]][] = [
    ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map(
      (name): [string, readonly string[]] => [`with ${name}`, plus(name, 'x')],
    ),
    ['with te that is not trailers', changed({ te: 'gzip' })],
    ['with a name in upper case', plus('X-Upper', 'x')],
    ['with a name that has a space', plus('x y', 'x')],
    ['with a name that has a colon', plus('x:y', 'x')],
    ['with a name that has CR LF', plus('x\r\ny', 'x')],
    ['with a name that is not ASCII', plus('x\u00e4', 'x')],
    ['with a name that has NUL', plus('x\0', 'x')],
    ['with CR in a value', plus('x', 'a\rb')],
    ['with LF in a value', plus('x', 'a\nb')],
    ['with NUL in a value', plus('x', 'a\0b')],
    ['with a space before a value', plus('x', ' a')],
    ['with a tab after a value', plus('x', 'a\t')],
    ['with :path twice', [':path', '/other', ...callFields(TargetPath.ECHO)]],
    ['with :method twice', [':method', 'POST', ...callFields(TargetPath.ECHO)]],
    ['with :authority twice', [':authority', 'other', ...callFields(TargetPath.ECHO)]],
    ['with a pseudo-header behind a header', plus(':authority', 'late')],
    ['with an unknown pseudo-header', [':protocol', 'websocket', ...callFields(TargetPath.ECHO)]],
    ['with :status', [':status', '200', ...callFields(TargetPath.ECHO)]],
    ['without :path', changed({ ':path': undefined })],
    ['with an empty :path', changed({ ':path': '' })],
    ['without :method', changed({ ':method': undefined })],
    ['without :scheme', changed({ ':scheme': undefined })],
    ['with a host that differs from :authority', plus('host', 'other')],
    ['with two hosts', plus('host', 'localhost', 'host', 'other')],
    ['with content-length that is no number', plus('content-length', '12x')],
    ['with content-length that is negative', plus('content-length', '-1')],
    ['with content-length twice and different', plus('content-length', '8', 'content-length', '9')],
    ['with content-length beyond what can be counted', plus('content-length', '99999999999999999999')],
  ];

  test.each(malformed)('%s', async (_name, fields) => {
    peer.send(headersFrame(1, literalBlock(fields)), dataFrame(1, grpcMessage('x'), { end: true }));
    expect(await resetOn(peer, 1)).toBe('PROTOCOL_ERROR');
    expect(target.begun).toBe(0);
    expect((await rawCall(peer, 3, TargetPath.ECHO, 'x')).status).toBe('0');
  });

  test.each([
    ['more', '5', false],
    ['less', '7', true],
  ])('with %s bytes of body than content-length says', async (_name, contentLength, ends) => {
    peer.send(
      headersFrame(1, literalBlock(plus('content-length', contentLength))),
      dataFrame(1, grpcMessage('x'), { end: ends }),
    );
    expect(await resetOn(peer, 1)).toBe('PROTOCOL_ERROR');
    expect(target.begun).toBe(0);
  });

  test.each([
    ['a pseudo-header', [':path', '/other']],
    ['connection', ['connection', 'close']],
    ['upper case', ['X-Upper', 'x']],
  ])('with %s in its trailers', async (_name, trailers) => {
    peer.send(
      headersFrame(1, literalBlock(callFields(TargetPath.ECHO_STREAM))),
      headersFrame(1, literalBlock(trailers), { end: true }),
    );
    expect(await resetOn(peer, 1)).toBe('PROTOCOL_ERROR');
  });

  test('with trailers that do not end it', async () => {
    peer.send(
      headersFrame(1, literalBlock(callFields(TargetPath.ECHO_STREAM))),
      headersFrame(1, literalBlock(['x', 'y'])),
    );
    expect(await resetOn(peer, 1)).toBe('PROTOCOL_ERROR');
  });

  test('and many of them end the connection', async () => {
    const block = literalBlock(plus('connection', 'close'));
    await peer.flood(2_000, (i) => headersFrame(clientStreamId(i), block, { end: true }));
    await endsWith(peer, ErrorCode.ENHANCE_YOUR_CALM);
  });
});

describe('a request is taken', () => {
  test.each([
    ['with te: trailers', plus()],
    ['without te', changed({ te: undefined })],
    ['without :authority, with host', [...changed({ ':authority': undefined }), 'host', 'localhost']],
    ['with a host that is :authority', plus('host', 'localhost')],
    ['with the right content-length', plus('content-length', '6')],
    ['with a value that has tabs and spaces inside', plus('x', 'a \t b')],
    ['with an empty value', plus('x', '')],
    ['with trailers of its own', plus()],
  ])('%s', async (name, fields) => {
    const trailers = name.includes('trailers of its own');
    peer.send(
      headersFrame(1, literalBlock(fields)),
      dataFrame(1, grpcMessage('x'), { end: !trailers }),
      ...(trailers ? [headersFrame(1, literalBlock(['x-checksum', '1']), { end: true })] : []),
    );
    const { status, messages } = await answerOn(peer, 1);
    expect([status, String(messages)]).toEqual(['0', 'x']);
  });
});

test.each([
  ...[
    'target.T/Echo',
    '//target.T/Echo',
    '/target.T//Echo',
    '/target.T/Echo/',
    '/target.T/./Echo',
    '/x/../target.T/Echo',
  ],
  ...[
    '/target.T/Echo?x',
    '/target.T/Echo#x',
    '/target.T/Echo%20',
    '/target.T/%45cho',
    '/target.T/echo',
    '/TARGET.T/Echo',
  ],
  ...['/target.T/Echo;x', '/target.T\\Echo', '/target.T/Ech\u00f6', 'http://localhost/target.T/Echo', '*', '/'],
])(':path %s is not /target.T/Echo', async (path) => {
  const { status, reset } = await rawCall(peer, 1, path, 'x');
  expect(reset === undefined ? status : 'reset').toMatch(/^(12|reset)$/); // UNIMPLEMENTED
  expect(target.begun).toBe(0);
});

describe('what is no gRPC call', () => {
  test.each([
    ['GET', { ':method': 'GET' }, '405'],
    ['PUT', { ':method': 'PUT' }, '405'],
    ['no content type', { 'content-type': undefined }, '415'],
    ['another content type', { 'content-type': 'text/html' }, '415'],
    ['a content type that only begins like gRPC’s', { 'content-type': 'application/grpcx' }, '415'],
  ])('with %s is answered by HTTP', async (_name, fields, status) => {
    peer.send(headersFrame(1, literalBlock(changed(fields)), { end: true }));
    const { headers, trailers } = await answerOn(peer, 1);
    expect(fieldOf(headers ?? trailers, ':status')).toBe(status);
    expect(target.begun).toBe(0);
  });

  test.each(['application/grpc', 'application/grpc+proto', 'application/grpc;charset=utf-8'])(
    'is not a call with %s',
    async (contentType) => {
      peer.send(
        headersFrame(1, literalBlock(changed({ 'content-type': contentType }))),
        dataFrame(1, grpcMessage('x'), { end: true }),
      );
      expect((await answerOn(peer, 1)).status).toBe('0');
    },
  );
});
