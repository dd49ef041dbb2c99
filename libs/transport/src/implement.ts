import { BmsError } from '@bms/contracts';
import type { Bytes, Route, Routes, ServerCall } from './call';
import { pathOf, type AnyMethod, type Codec, type MethodDefinition, type ServiceDefinition } from './definition';

type MethodImplementation<M> =
  M extends MethodDefinition<infer Request, infer Response, infer RequestStream, infer ResponseStream>
    ? RequestStream extends true
      ? ResponseStream extends true
        ? (requests: AsyncIterable<Request>, call: ServerCall) => AsyncIterable<Response>
        : (requests: AsyncIterable<Request>, call: ServerCall) => Promise<Response>
      : ResponseStream extends true
        ? (request: Request, call: ServerCall) => AsyncIterable<Response>
        : (request: Request, call: ServerCall) => Promise<Response>
    : never;

/** What a service must implement: one function per method of its definition. */
export type Implementation<S extends ServiceDefinition> = {
  readonly [K in keyof S['methods']]: MethodImplementation<S['methods'][K]>;
};

/** Turns typed functions into routes of bytes. A message that cannot be decoded is INVALID_REQUEST. */
export function implement<S extends ServiceDefinition>(service: S, implementation: Implementation<S>): Routes {
  const routes = new Map<string, Route>();
  for (const [key, method] of Object.entries(service.methods)) {
    const run = (implementation as Readonly<Record<string, (request: unknown, call: ServerCall) => unknown>>)[key];
    if (run === undefined) throw new Error(`${service.fullName}/${method.name} has no implementation`);
    routes.set(pathOf(service, method), routeOf(method, run.bind(implementation)));
  }
  return routes;
}

/** Several services on one server. */
export function mergeRoutes(...all: readonly Routes[]): Routes {
  return new Map(all.flatMap((routes) => [...routes]));
}

function routeOf(method: AnyMethod, run: (request: unknown, call: ServerCall) => unknown): Route {
  const request = method.requestType as Codec<unknown>;
  const response = method.responseType as Codec<unknown>;
  if (!method.requestStream && !method.responseStream) {
    return {
      kind: 'unary',
      handle: async (bytes, call) => response.encode(await run(decode(request, bytes), call)).finish(),
    };
  }
  return {
    kind: 'stream',
    handle: async function* (messages, call) {
      const input = method.requestStream ? decodeAll(request, messages) : await single(request, messages);
      if (!method.responseStream) {
        yield response.encode(await run(input, call)).finish();
        return;
      }
      for await (const answer of run(input, call) as AsyncIterable<unknown>) yield response.encode(answer).finish();
    },
  };
}

function decode<T>(codec: Codec<T>, bytes: Bytes): T {
  try {
    return codec.decode(bytes);
  } catch {
    throw BmsError.invalidRequest('message', `is not a valid protobuf message of its type (${bytes.byteLength} bytes)`);
  }
}

async function* decodeAll<T>(codec: Codec<T>, messages: AsyncIterable<Bytes>): AsyncIterable<T> {
  for await (const bytes of messages) yield decode(codec, bytes);
}

async function single<T>(codec: Codec<T>, messages: AsyncIterable<Bytes>): Promise<T> {
  for await (const bytes of messages) return decode(codec, bytes);
  throw BmsError.invalidRequest('message', 'the call ended without a request');
}
