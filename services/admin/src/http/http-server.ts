import type { AddressInfo } from 'node:net';
import { BmsError, Reason } from '@bms/contracts';
import { listenFailure, type ListenAddress } from '@bms/transport';
import { fastify, type FastifyError, type FastifyInstance } from 'fastify';
import { addDashboard } from '../dashboard/dashboard';
import type { ManagementHandler } from '../management-call';
import type { ContractRegistry } from '../openapi/contract-registry';
import { errorAnswer } from './error-answer';
import { isOwnHost } from './host-check';
import { addJsonApi } from './json-api';
import { NoSuchPathError } from './no-such-path';

/** A push of 10,000 files names each of them. */
const BODY_LIMIT_BYTES = 8 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

export interface HttpServerOptions {
  readonly road: ManagementHandler;
  readonly registry: ContractRegistry;
  /** What a Host header may say; see `host-check.ts`. */
  readonly ownNames: ReadonlySet<string>;
  readonly now: () => number;
  /** Told of errors that callers only see as INTERNAL. */
  readonly onInternalError: (error: unknown, path: string) => void;
}

/** Admin's HTTP: the JSON API and the dashboard. No other site's page may use it: no CORS, its Host must be ours, bodies must be JSON. */
export class HttpServer {
  private readonly app: FastifyInstance;

  constructor(options: HttpServerOptions) {
    this.app = fastify({
      bodyLimit: BODY_LIMIT_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      forceCloseConnections: 'idle',
    });
    this.app.removeContentTypeParser('text/plain'); // what a form of another site could send
    this.app.addHook('onRequest', async (request, reply) => {
      reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
      if (!isOwnHost(request.headers.host, options.ownNames)) throw foreignHost(request.headers.host);
    });
    this.app.setErrorHandler(async (thrown: unknown, request, reply) => {
      const error = fromFastify(thrown);
      if (BmsError.from(error).reason === Reason.INTERNAL) options.onInternalError(error, request.url);
      const { status, body } = errorAnswer(error);
      return reply.code(error instanceof NoSuchPathError ? 404 : status).send(body);
    });
    this.app.setNotFoundHandler(async ({ method, url }) => {
      throw new NoSuchPathError(method, url, 'there are GET /, GET /openapi.json and POST /api/v1/{Service}/{Method}');
    });
    addJsonApi(this.app, options.road, options.registry, options.now);
    addDashboard(this.app);
  }

  /** Resolves with the port; throws a clear sentence when it is taken. */
  async listen(address: ListenAddress): Promise<number> {
    try {
      await this.app.listen({ host: address.host, port: address.port });
    } catch (error) {
      throw listenFailure(error, address);
    }
    return (this.app.server.address() as AddressInfo).port;
  }

  /** Takes nothing new, finishes what is in flight; aborting `signal` cuts that off. */
  async close(signal: AbortSignal): Promise<void> {
    const cutOff = (): void => this.app.server.closeAllConnections();
    signal.addEventListener('abort', cutOff, { once: true });
    try {
      if (signal.aborted) cutOff();
      await this.app.close();
    } finally {
      signal.removeEventListener('abort', cutOff);
    }
  }
}

function foreignHost(host: string | undefined): BmsError {
  return new BmsError(
    Reason.PERMISSION_DENIED,
    `the Host header ${JSON.stringify((host ?? '').slice(0, 100))} does not name this server: use localhost or the machine's address`,
  );
}

/** What fastify refuses by itself, in our words. */
function fromFastify(thrown: unknown): unknown {
  const { code, statusCode, message } = thrown as Partial<FastifyError>;
  if (BmsError.is(thrown)) return thrown;
  switch (code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return BmsError.invalidRequest('content-type', 'application/json is needed');
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new BmsError(Reason.MESSAGE_TOO_LARGE, `body: at most ${BODY_LIMIT_BYTES} bytes are allowed`);
    default:
      return statusCode !== undefined && statusCode < 500
        ? BmsError.invalidRequest('body', message ?? 'cannot be read')
        : thrown;
  }
}
