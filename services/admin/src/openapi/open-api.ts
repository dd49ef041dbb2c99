import { Reason, reasonName } from '@bms/contracts';
import { GrpcCode, httpStatusOf } from '@bms/transport';
import { MANAGEMENT_METHODS, type ManagementMethod } from '../management-method';
import type { ContractRegistry } from './contract-registry';
import { JsonSchemas, referenceTo, type JsonSchema } from './json-schemas';
import { commentOf } from './proto-comments';

const ERROR_SCHEMA = 'Error';
const TOKEN_SCHEME = 'serviceToken';

/** The JSON API as an OpenAPI 3.1 document, made of the same definitions by which it is served. */
export function openApiDocument(registry: ContractRegistry): JsonSchema {
  const schemas = new JsonSchemas();
  const paths = MANAGEMENT_METHODS.map((method) => [
    jsonPathOf(method),
    { post: operation(method, registry, schemas) },
  ]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'BMS management API',
      version: 'v1',
      description:
        'The gRPC services of the management API as JSON, in ProtoJSON: field names in camelCase, 64-bit numbers as strings ' +
        '(numbers are taken, too), unset fields may be left out. The same calls are served by gRPC.',
    },
    paths: Object.fromEntries(paths),
    components: {
      schemas: { [ERROR_SCHEMA]: errorSchema(), ...schemas.all() },
      securitySchemes: {
        [TOKEN_SCHEME]: { type: 'http', scheme: 'bearer', description: "The mesh's service token" },
      },
    },
  };
}

/** `/api/v1/ModelService/SetLabel`. */
export function jsonPathOf({ serviceName, name }: ManagementMethod): string {
  return `/api/v1/${serviceName}/${name}`;
}

function operation(method: ManagementMethod, registry: ContractRegistry, schemas: JsonSchemas): JsonSchema {
  const definition = registry.methodOf(method);
  return {
    operationId: `${method.serviceName}_${method.name}`,
    tags: [method.serviceName],
    description: commentOf(definition),
    security: method.changes ? [{ [TOKEN_SCHEME]: [] }] : [{}, { [TOKEN_SCHEME]: [] }],
    requestBody: { required: true, content: { 'application/json': { schema: schemas.of(definition.input) } } },
    responses: {
      200: { description: 'OK', content: { 'application/json': { schema: schemas.of(definition.output) } } },
      default: {
        description: 'Refused or failed; the HTTP status follows from the reason',
        content: { 'application/json': { schema: referenceTo(ERROR_SCHEMA) } },
      },
    },
  };
}

function errorSchema(): JsonSchema {
  const reasons = Object.values(Reason).filter((reason) => typeof reason === 'number');
  const statuses = [...new Set(reasons.map(httpStatusOf))].sort((one, other) => one - other);
  return {
    type: 'object',
    description: `What every refused or failed call is answered with. HTTP status: one of ${statuses.join(', ')}.`,
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['code', 'reason', 'message', 'violations'],
        properties: {
          code: {
            type: 'string',
            enum: Object.keys(GrpcCode).filter((name) => name !== 'OK'),
            description: 'the gRPC code',
          },
          reason: { type: 'string', enum: reasons.map(reasonName) },
          message: { type: 'string', description: 'a sentence for people' },
          violations: {
            type: 'array',
            description: 'the fields of the request that are wrong',
            items: {
              type: 'object',
              required: ['field', 'description'],
              properties: { field: { type: 'string' }, description: { type: 'string' } },
            },
          },
        },
      },
    },
  };
}
