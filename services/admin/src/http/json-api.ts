import { BmsError, CallMetadata, Reason } from '@bms/contracts';
import { Metadata } from '@bms/transport';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ManagementHandler } from '../management-call';
import { managementCall } from '../management.handler';
import { MANAGEMENT_METHODS } from '../management-method';
import type { ContractRegistry } from '../openapi/contract-registry';
import { jsonPathOf, openApiDocument } from '../openapi/open-api';
import { JsonCodec } from './json-codec';
import { NoSuchPathError } from './no-such-path';

/** The longest wait that a caller may ask for, such as for a version to become ready. */
const TIMEOUT_MS = 10 * 60_000;

const METHOD_NAMES = MANAGEMENT_METHODS.map(({ serviceName, name }) => `${serviceName}/${name}`).join(', ');

/** The metadata that HTTP headers of the same name carry. */
const HEADERS = [CallMetadata.authorization, CallMetadata.tenant, CallMetadata.principal, CallMetadata.requestId];

/** The JSON edge of the management API: `POST /api/v1/{Service}/{Method}`, the same road as gRPC; and its description. */
export function addJsonApi(
  app: FastifyInstance,
  road: ManagementHandler,
  registry: ContractRegistry,
  now: () => number,
): void {
  const codec = new JsonCodec(registry);
  const document = openApiDocument(registry);
  app.get('/openapi.json', async () => document);
  for (const method of MANAGEMENT_METHODS) {
    const { input, output } = registry.methodOf(method);
    app.post(jsonPathOf(method), async (request, reply) => {
      const bytes = codec.encode(input, request.body ?? {});
      const call = managementCall(method, bytes, {
        via: 'http',
        metadata: metadataOf(request),
        peer: `${request.ip}:${request.socket.remotePort ?? 0}`,
        deadlineMs: now() + TIMEOUT_MS,
        signal: goneSignal(reply),
      });
      reply.header(CallMetadata.requestId, call.requestId);
      return codec.decode(output, await road(call));
    });
  }
  app.post('/api/v1/*', async (request) => {
    throw new NoSuchPathError('POST', request.url, `the methods are ${METHOD_NAMES}`);
  });
}

function metadataOf({ headers }: FastifyRequest): Metadata {
  const metadata = new Metadata();
  for (const name of HEADERS) {
    const value = headers[name];
    if (typeof value !== 'string') continue;
    if (!/^[\x20-\x7e]*$/.test(value))
      throw BmsError.invalidRequest(`header ${name}`, 'only printable ASCII is allowed');
    metadata.set(name, value);
  }
  return metadata;
}

/** Aborted when the caller has gone before it was answered. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new BmsError(Reason.CANCELLED, 'the caller is gone'));
  });
  return gone.signal;
}
