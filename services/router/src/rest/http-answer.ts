import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Bytes } from '@bms/transport';

/** Whoever is refused in the middle of its request has this long to notice, before the connection is closed. */
const LINGER_MS = 2_000;

/** The answer to one HTTP request: always JSON, sent once. */
export class HttpAnswer {
  private readonly abort = new AbortController();

  constructor(
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
  ) {
    // An error of a connection that breaks is told by 'close'.
    response.on('error', () => {});
    response.on('close', () => {
      if (!response.writableFinished) this.abort.abort();
    });
  }

  /** Aborted when the caller has gone before its answer. */
  get gone(): AbortSignal {
    return this.abort.signal;
  }

  /** Tells a caller that asked for it to send its body. */
  sendOn(): void {
    this.response.writeContinue();
  }

  header(name: string, value: string): void {
    if (!this.response.headersSent) this.response.setHeader(name, value);
  }

  json(status: number, value: unknown): void {
    this.send(status, Buffer.from(`${JSON.stringify(value, null, 1)}\n`));
  }

  send(status: number, body: Bytes): void {
    const { request, response } = this;
    if (response.headersSent || response.destroyed) return;
    response.statusCode = status;
    response.setHeader('content-type', 'application/json');
    response.setHeader('content-length', body.byteLength);
    if (request.complete || !hasBody(request)) {
      response.end(body);
    } else {
      response.setHeader('connection', 'close');
      response.write(body);
      this.linger();
    }
  }

  /**
   * Closing while the caller still sends would reset the connection, and the answer with it: what comes is thrown away
   * until the caller has read that it was refused, for a bounded time.
   */
  private linger(): void {
    const { request, response } = this;
    const end = (): void => {
      clearTimeout(timer);
      response.end();
      request.destroy();
    };
    const timer = setTimeout(end, LINGER_MS);
    timer.unref();
    request.once('end', end).once('close', end);
    request.resume();
  }
}

/** A request is told of before it is known to be complete, also where nothing can follow its headers. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
