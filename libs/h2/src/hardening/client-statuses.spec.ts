import { echoOn, Exchange, HEAD, headers, isCall } from '../testkit/exchange';
import { grpcMessage } from '../testkit/grpc-request';
import { Random } from '../testkit/random';
import { dataFrame } from '../testkit/raw-frame';

// A client before servers that end calls in every way there is:
// https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md

let exchange: Exchange;

beforeEach(async () => {
  exchange = await Exchange.start();
});

afterEach(() => exchange.close());

describe('HTTP without grpc-status', () => {
  test.each([
    ['400', 'INTERNAL'],
    ['401', 'UNAUTHENTICATED'],
    ['403', 'PERMISSION_DENIED'],
    ['404', 'UNIMPLEMENTED'],
    ['429', 'NOT_READY'], // UNAVAILABLE of a foreign server
    ['431', 'INTERNAL'],
    ['500', 'INTERNAL'], // UNKNOWN of a foreign server
    ['502', 'NOT_READY'],
    ['503', 'NOT_READY'],
    ['504', 'NOT_READY'],
  ])('%s is %s', async (status, reason) => {
    const { reason: told } = await exchange.answered((id) => [
      headers(id, [':status', status, 'content-type', 'text/html'], true),
    ]);
    expect(told).toBe(reason);
  });

  test('is judged by its status also where a body follows', async () => {
    const { reason } = await exchange.answered((id) => [
      headers(id, [':status', '503', 'content-type', 'text/html']),
      dataFrame(id, Buffer.from('<html>no upstream</html>'), { end: true }),
    ]);
    expect(reason).toBe('NOT_READY');
  });

  test('is overruled by grpc-status', async () => {
    const { reason, message } = await exchange.answered((id) => [
      headers(
        id,
        [':status', '503', 'content-type', 'application/grpc', 'grpc-status', '7', 'grpc-message', 'no%21'],
        true,
      ),
    ]);
    expect([reason, message]).toEqual(['PERMISSION_DENIED', 'no!']);
  });
});

describe('an end without a status is never OK:', () => {
  const ends: readonly [string, (id: number) => readonly Buffer[]][] = [
    ['after the headers', (id) => [headers(id, HEAD, true)]],
    ['after a message', (id) => [headers(id, HEAD), dataFrame(id, grpcMessage('x'), { end: true })]],
    ['in trailers', (id) => [headers(id, HEAD), dataFrame(id, grpcMessage('x')), headers(id, ['x', 'y'], true)]],
    [
      'with a status that is no number',
      (id) => [headers(id, HEAD), dataFrame(id, grpcMessage('x')), headers(id, ['grpc-status', 'OK'], true)],
    ],
    [
      'with an empty status',
      (id) => [headers(id, HEAD), dataFrame(id, grpcMessage('x')), headers(id, ['grpc-status', ''], true)],
    ],
  ];

  test.each(ends)('%s', async (_name, answer) => {
    const { text, reason } = await exchange.answered(answer);
    expect(text).toBeUndefined();
    expect(reason).toBe('INTERNAL');
  });

  test('nor is OK without the one message of a unary call, or with two', async () => {
    expect(await exchange.answered((id) => [headers(id, [...HEAD, 'grpc-status', '0'], true)])).toMatchObject({
      reason: 'INTERNAL',
    });
    exchange.redial();
    const two = Buffer.concat([grpcMessage('a'), grpcMessage('b')]);
    const outcome = await exchange.answered((id) => [
      headers(id, HEAD),
      dataFrame(id, two),
      headers(id, ['grpc-status', '0'], true),
    ]);
    expect(outcome).toMatchObject({ reason: 'INTERNAL' });
  });
});

describe('what comes with the status', () => {
  test.each([
    ['plain text', 'grpc-message', 'no such model', 'no such model'],
    ['percent-encoded', 'grpc-message', 'f%C3%BCr 100%25', 'für 100%'],
    ['badly encoded', 'grpc-message', '100% %zz %C3', '100% %zz \ufffd'],
  ])('as grpc-message, %s, is read', async (_name, name, value, message) => {
    const outcome = await exchange.answered((id) => [headers(id, [...HEAD, 'grpc-status', '5', name, value], true)]);
    expect(outcome).toEqual({ reason: 'MODEL_NOT_FOUND', message });
  });

  test('of any bytes never breaks anything', async () => {
    const random = new Random(5);
    const first = exchange.call();
    const peer = await exchange.listener.welcome();
    await peer.next('the call', isCall);
    peer.send(...echoOn(1, 'x'));
    await first;
    for (let i = 0; i < 1_000; i += 1) {
      const outcome = exchange.call();
      const { streamId } = await peer.next('the call', isCall);
      const status = [
        'grpc-status',
        '9',
        'grpc-message',
        random.text(random.below(60)),
        'grpc-status-details-bin',
        random.text(random.below(200)),
      ];
      peer.send(headers(streamId, [...HEAD, ...status, 'x-bin', random.text(random.below(30))], true));
      expect((await outcome).reason).toBe('ILLEGAL_TRANSITION');
    }
  });

  test('is cut where it is longer than anybody reads, and the connection stays', async () => {
    const outcome = await exchange.answered((id) => [
      headers(id, [...HEAD, 'grpc-status', '5', 'grpc-message', 'm'.repeat(12_000)], true),
    ]);
    expect(outcome.text).toBeUndefined();
  });
});
