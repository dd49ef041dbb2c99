import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { ErrorCode } from '../frames/error-code';
import { Flag, FrameType, PREFACE } from '../frames/frame';
import { callFields, fieldOf, grpcMessage } from './grpc-request';
import { indexedField, literalBlock, rememberedField, tableSizeUpdate } from './header-block';
import { answerOn, rawCall } from './raw-call';
import { dataFrame, headersFrame, rawFrame, resetFrame } from './raw-frame';
import { RawListener } from './raw-listener';
import { RawPeer, type FrameMatch } from './raw-peer';

// Node's own HTTP/2 is the other end here: what the peer says must be right in its eyes, before it judges others.

let close: () => Promise<void> = async () => {};

afterEach(() => close());

async function echoServer(): Promise<number> {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'x-path': String(headers[':path']) },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }));
    stream.pipe(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  close = async () => {
    for (const session of sessions) session.destroy();
    server.close();
    await once(server, 'close');
  };
  return (server.address() as AddressInfo).port;
}

describe('a raw client', () => {
  test('makes calls one after the other, and reads Huffman codes and remembered headers', async () => {
    const peer = await RawPeer.open(await echoServer());
    for (let i = 0; i < 3; i += 1) {
      const answer = await rawCall(peer, 2 * i + 1, `/a.B/${i}`, `content ${i}`);
      expect(fieldOf(answer.headers, 'x-path')).toBe(`/a.B/${i}`);
      expect(answer.messages.map(String)).toEqual([`content ${i}`]);
      expect(answer.status).toBe('0');
    }
    await peer.close();
  });

  test('writes blocks with remembered, indexed and split fields, padding and priority', async () => {
    const peer = await RawPeer.open(await echoServer());
    const block = Buffer.concat([
      tableSizeUpdate(4_096),
      literalBlock(callFields('/a.B/C')),
      rememberedField('x-first', 'one'),
      indexedField(62),
    ]);
    peer.send(
      headersFrame(1, block.subarray(0, 10), { endHeaders: false, padding: 7, priority: { dependsOn: 0 } }),
      rawFrame(FrameType.CONTINUATION, 4, 1, block.subarray(10)),
      dataFrame(1, grpcMessage('padded'), { end: true, padding: 255 }),
    );
    expect((await answerOn(peer, 1)).messages.map(String)).toEqual(['padded']);
    await peer.close();
  });

  test('sees what it is refused for', async () => {
    const peer = await RawPeer.open(await echoServer());
    peer.send(rawFrame(FrameType.DATA, 0, 0, Buffer.from('on no stream')));
    const goaway = await peer.next('GOAWAY', ({ type }) => type === FrameType.GOAWAY);
    expect(goaway.payload.readUInt32BE(4)).toBe(ErrorCode.PROTOCOL_ERROR);
    peer.cut();
    expect((await peer.closed()).goaway).toMatchObject({ code: ErrorCode.PROTOCOL_ERROR });
  });

  test('says what it waited for in vain', async () => {
    const peer = await RawPeer.dial(await echoServer());
    await expect(peer.next('a miracle', () => false, 20)).rejects.toThrow(/waited 20 ms for a miracle; it is open/);
    peer.send(PREFACE, rawFrame(FrameType.DATA, 0, 0));
    await expect(peer.next('a miracle', () => false)).rejects.toThrow(/ended before a miracle.*GOAWAY/);
  });

  test('takes nothing away from later ones when it has given a search up', async () => {
    const peer = await RawPeer.open(await echoServer());
    const isAnswer: FrameMatch = ({ type, flags }) => type === FrameType.HEADERS && (flags & Flag.END_STREAM) === 0;
    await expect(peer.next('an answer', isAnswer, 5)).rejects.toThrow(/waited/);
    peer.send(headersFrame(1, literalBlock(callFields('/a.B/C')), { end: true }));
    expect((await peer.next('an answer', isAnswer)).streamId).toBe(1);
    await peer.close();
  });
});

describe('a raw server', () => {
  test('answers and resets what a client asks', async () => {
    const listener = await RawListener.start();
    const client = http2.connect(`http://${listener.address}`);
    client.on('error', () => {});
    close = async () => {
      client.destroy();
      await listener.close();
    };
    const request = client.request({ ':path': '/good' });
    const peer = await listener.welcome();
    const asked = await peer.next('a request', ({ type }) => type === FrameType.HEADERS);
    expect(fieldOf(asked.fields, ':path')).toBe('/good');
    peer.send(
      headersFrame(asked.streamId, literalBlock([':status', '200'])),
      dataFrame(asked.streamId, Buffer.from('yes'), { end: true }),
    );
    const body: Buffer[] = [];
    request.on('data', (chunk: Buffer) => body.push(chunk));
    await once(request, 'end');
    expect(Buffer.concat(body).toString()).toBe('yes');

    const refused = client.request({ ':path': '/bad' });
    const next = await peer.next('a request', ({ type }) => type === FrameType.HEADERS);
    peer.send(resetFrame(next.streamId, ErrorCode.REFUSED_STREAM));
    await expect(once(refused, 'response')).rejects.toThrow(/REFUSED_STREAM/);
  });
});
