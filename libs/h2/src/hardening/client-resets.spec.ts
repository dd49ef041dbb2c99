import { setImmediate as nextTurn } from 'node:timers/promises';
import { ErrorCode } from '../frames/error-code';
import { echoOn, Exchange, HEAD, headers, isCall, PATH } from '../testkit/exchange';
import { grpcMessage } from '../testkit/grpc-request';
import { dataFrame, goawayFrame, resetFrame } from '../testkit/raw-frame';

// https://github.com/grpc/grpc/blob/master/doc/negative-http2-interop-test-descriptions.md

let exchange: Exchange;

beforeEach(async () => {
  exchange = await Exchange.start();
});

afterEach(() => exchange.close());

describe('RST_STREAM', () => {
  test.each([
    ['NO_ERROR', ErrorCode.NO_ERROR, 'INTERNAL'],
    ['PROTOCOL_ERROR', ErrorCode.PROTOCOL_ERROR, 'INTERNAL'],
    ['REFUSED_STREAM', ErrorCode.REFUSED_STREAM, 'CONNECTION_FAILED'], // nothing was done: send it again
    ['CANCEL', ErrorCode.CANCEL, 'CANCELLED'],
    ['ENHANCE_YOUR_CALM', ErrorCode.ENHANCE_YOUR_CALM, 'OVERLOADED'],
    ['INADEQUATE_SECURITY', ErrorCode.INADEQUATE_SECURITY, 'PERMISSION_DENIED'],
  ])('%s is told by what it means', async (_name, code, reason) => {
    expect(await exchange.answered((id) => [resetFrame(id, code)])).toMatchObject({ reason });
  });

  test.each([
    ['after the headers', [headers(1, HEAD)]],
    ['in a message', [headers(1, HEAD), dataFrame(1, grpcMessage('cut').subarray(0, 6))]],
    ['after a message', [headers(1, HEAD), dataFrame(1, grpcMessage('whole'))]],
  ])('%s fails the call, and the next one is right', async (_name, frames) => {
    const failed = exchange.call();
    const peer = await exchange.listener.welcome();
    await peer.next('the call', isCall);
    peer.send(...frames, resetFrame(1, ErrorCode.NO_ERROR));
    expect((await failed).text).toBeUndefined();
    expect(await exchange.answeredOn(peer, 'again')).toEqual({ text: 'again' });
  });

  test('of NO_ERROR after a whole answer, which need not have waited for the request, leaves the answer as it is', async () => {
    const endless = (async function* () {
      for (;;) {
        yield Buffer.from('more');
        await nextTurn();
      }
    })();
    const answers = (async () => {
      const texts: string[] = [];
      for await (const answer of exchange.channel.stream(PATH, endless)) texts.push(Buffer.from(answer).toString());
      return texts;
    })();
    const peer = await exchange.listener.welcome();
    await peer.next('the call', isCall);
    peer.send(
      headers(1, HEAD),
      dataFrame(1, grpcMessage('early')),
      headers(1, ['grpc-status', '0'], true),
      resetFrame(1, 0),
    );
    expect(await answers).toEqual(['early']);
    expect(await exchange.answeredOn(peer, 'again')).toEqual({ text: 'again' });
  });

  test('of NO_ERROR after an early failure tells that failure', async () => {
    const outcome = exchange.call('x'.repeat(1_000_000));
    const peer = await exchange.listener.welcome();
    await peer.next('the call', isCall);
    peer.send(headers(1, [...HEAD, 'grpc-status', '16', 'grpc-message', 'who?'], true), resetFrame(1, 0));
    expect(await outcome).toEqual({ reason: 'UNAUTHENTICATED', message: 'who?' });
  });
});

describe('GOAWAY', () => {
  test('lets calls up to its last id end, and gives those above it back as never sent', async () => {
    const [first, second] = [exchange.call('first'), exchange.call('second')];
    const peer = await exchange.listener.welcome();
    for (let i = 0; i < 2; i += 1) await peer.next('a call', isCall);
    peer.send(goawayFrame(1, 0));
    expect(await second).toMatchObject({ reason: 'CONNECTION_FAILED' });
    peer.send(...echoOn(1, 'first'));
    expect(await first).toEqual({ text: 'first' });
    await peer.closed();
  });

  test('is followed by a connection of its own for later calls', async () => {
    const first = exchange.call('first');
    const old = await exchange.listener.welcome();
    await old.next('a call', isCall);
    old.send(goawayFrame(2 ** 31 - 1, 0));
    const ready = exchange.ready();
    const peer = await exchange.listener.welcome();
    await ready;
    expect(await exchange.answeredOn(peer, 'elsewhere')).toEqual({ text: 'elsewhere' });
    old.send(...echoOn(1, 'first'));
    expect(await first).toEqual({ text: 'first' });
  });

  test('after which the connection breaks is WORKER_LOST for what was still on it', async () => {
    const outcome = exchange.call();
    const peer = await exchange.listener.welcome();
    await peer.next('a call', isCall);
    peer.send(goawayFrame(1, 0));
    peer.cut();
    expect(await outcome).toMatchObject({ reason: 'WORKER_LOST' });
  });
});
