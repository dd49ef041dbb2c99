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
      yield* mapEach(run(input, call) as AsyncIterable<unknown>, (answer) => response.encode(answer).finish());
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

function decodeAll<T>(codec: Codec<T>, messages: AsyncIterable<Bytes>): AsyncIterable<T> {
  return mapEach(messages, (bytes) => decode(codec, bytes));
}

/**
 * Each of `source`, turned. A generator with a loop would keep the last message in memory while it waits for the next, and
 * streams wait for hours.
 */
function mapEach<From, To>(source: AsyncIterable<From>, turn: (one: From) => To): AsyncIterable<To> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = source[Symbol.asyncIterator]();
      const leave = async (): Promise<IteratorResult<To>> => {
        await iterator.return?.();
        return { done: true, value: undefined };
      };
      const next = async (): Promise<IteratorResult<To>> => {
        const result = await iterator.next();
        if (result.done === true) return { done: true, value: undefined };
        try {
          return { done: false, value: turn(result.value) };
        } catch (error) {
          await leave();
          throw error;
        }
      };
      return { next, return: leave };
    },
  };
}

async function single<T>(codec: Codec<T>, messages: AsyncIterable<Bytes>): Promise<T> {
  for await (const bytes of messages) return decode(codec, bytes);
  throw BmsError.invalidRequest('message', 'the call ended without a request');
}
