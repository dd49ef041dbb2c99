// What h2spec asks: answers any request, once it has ended, with 200 and a body. Prints its ports as one line of JSON; ends with its input.
import { H2Listener, type Stream, type StreamListener } from '@bms/h2';
import { selfSigned } from '@bms/h2/testkit';

const HEADERS = [':status', '200', 'content-type', 'text/plain'];
const BODY = Buffer.from('This is what every request is answered with.');
const NOTHING = Buffer.alloc(0);

function answer(stream: Stream): void {
  stream.sendHeaders(HEADERS, false);
  stream.sendData(BODY, NOTHING, true);
}

function listenerOf(stream: Stream): StreamListener {
  return {
    onHeaders: (_fields, _tooLarge, ended) => {
      if (ended) answer(stream);
    },
    onData: (bytes, ended) => {
      stream.consume(bytes.length);
      if (ended) answer(stream);
    },
    onDrain: () => {},
    onReset: () => {},
  };
}

async function listen(tls?: { readonly cert: Buffer; readonly key: Buffer }): Promise<number> {
  const listener = new H2Listener(
    () => (stream, _headers, ended) => {
      if (ended) answer(stream);
      return listenerOf(stream);
    },
    { indexedHeaders: new Set(['content-type']), tls },
  );
  return listener.listen({ host: '127.0.0.1', port: 0 });
}

async function main(): Promise<void> {
  const port = await listen();
  const tlsPort = await listen(selfSigned());
  console.log(JSON.stringify({ port, tlsPort }));
  process.stdin.resume().once('end', () => process.exit(0));
}

void main();
