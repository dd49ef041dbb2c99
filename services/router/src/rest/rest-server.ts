import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { listenFailure, type ListenAddress, type Server } from '@bms/transport';

/** A peer has this long for its headers, … */
const HEADERS_TIMEOUT_MS = 10_000;
/** … this long for a whole request, … */
const REQUEST_TIMEOUT_MS = 120_000;
/** … and may be silent for this long between two. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** How often the first two are looked after. */
const TIMEOUT_CHECK_MS = 5_000;
const HEADER_MAX_BYTES = 16 * 1024;
const HEADERS_MAX = 100;
const CONNECTIONS_MAX = 10_000;

/** What is refused before it is a request. */
const EARLY_REFUSALS: Readonly<Record<string, readonly [status: string, sentence: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    `headers: at most ${HEADER_MAX_BYTES} bytes are allowed`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request did not come in time'],
};
const NO_HTTP = ['400 Bad Request', 'this is no HTTP request'] as const;

/** @param asked whether the peer waits for "100 Continue" before it sends the body */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse, asked: boolean) => void;

/** An HTTP/1.1 server with limits, that can be drained. */
export class RestServer implements Server {
  private readonly server: HttpServer;
  private readonly answering = new Set<ServerResponse>();
  private draining = false;

  constructor(handle: HttpHandler) {
    this.server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      maxHeaderSize: HEADER_MAX_BYTES,
      noDelay: true,
    });
    this.server.maxHeadersCount = HEADERS_MAX;
    this.server.maxConnections = CONNECTIONS_MAX;
    const take = (request: IncomingMessage, response: ServerResponse, asked: boolean): void => {
      this.answering.add(response);
      response.once('close', () => this.answering.delete(response));
      if (this.draining) response.setHeader('connection', 'close');
      handle(request, response, asked);
    };
    this.server.on('request', (request, response) => take(request, response, false));
    this.server.on('checkContinue', (request, response) => take(request, response, true));
    this.server.on('clientError', refuseEarly);
  }

  async listen(address: ListenAddress): Promise<number> {
    try {
      this.server.listen({ host: address.host, port: address.port });
      await once(this.server, 'listening');
    } catch (error) {
      throw listenFailure(error, address);
    }
    return (this.server.address() as AddressInfo).port;
  }

  async drain(signal: AbortSignal): Promise<void> {
    this.draining = true;
    for (const response of this.answering) {
      if (!response.headersSent) response.setHeader('connection', 'close');
    }
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeIdleConnections();
    await orAborted(closed, signal);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }
}

function refuseEarly(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, sentence] = EARLY_REFUSALS[error.code ?? ''] ?? NO_HTTP;
  const body = JSON.stringify({ error: sentence });
  const length = Buffer.byteLength(body);
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`,
  );
}

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let stop = (): void => {};
  const aborted = new Promise<void>((resolve) => (stop = resolve));
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
