import { BmsError, Reason } from '@bms/contracts';
import type { Bytes, CallOptions } from './call';
import type { Channel } from './channel';
import { pathOf, type AnyMethod, type Codec, type MethodDefinition, type ServiceDefinition } from './definition';

type MethodCall<M> =
  M extends MethodDefinition<infer Request, infer Response, infer RequestStream, infer ResponseStream>
    ? RequestStream extends true
      ? ResponseStream extends true
        ? (requests: AsyncIterable<Request>, options?: CallOptions) => AsyncIterable<Response>
        : (requests: AsyncIterable<Request>, options?: CallOptions) => Promise<Response>
      : ResponseStream extends true
        ? (request: Request, options?: CallOptions) => AsyncIterable<Response>
        : (request: Request, options?: CallOptions) => Promise<Response>
    : never;

/** One typed function per method of a definition. */
export type Client<S extends ServiceDefinition> = {
  readonly [K in keyof S['methods']]: MethodCall<S['methods'][K]>;
};

/** Typed calls over a channel; they throw what {@link Channel} throws. */
export function createClient<S extends ServiceDefinition>(service: S, channel: Channel): Client<S> {
  return Object.fromEntries(
    Object.entries(service.methods).map(([key, method]) => [key, callOf(service, method, channel)]),
  ) as unknown as Client<S>;
}

function callOf(service: ServiceDefinition, method: AnyMethod, channel: Channel): unknown {
  const path = pathOf(service, method);
  const request = method.requestType as Codec<unknown>;
  const response = method.responseType as Codec<unknown>;
  if (!method.requestStream && !method.responseStream) {
    return async (message: unknown, options?: CallOptions) =>
      decode(response, await channel.unary(path, request.encode(message).finish(), options), path);
  }
  const open = (input: unknown, options?: CallOptions): AsyncIterable<unknown> =>
    decodeAll(
      response,
      path,
      channel.stream(
        path,
        method.requestStream
          ? encodeAll(request, input as AsyncIterable<unknown>)
          : once(request.encode(input).finish()),
        options,
      ),
    );
  if (method.responseStream) return open;
  return async (input: unknown, options?: CallOptions) => {
    let answer: unknown;
    for await (const message of open(input, options)) answer = message;
    if (answer === undefined) throw new BmsError(Reason.INTERNAL, `${path} ended without an answer`);
    return answer;
  };
}

async function* once(bytes: Bytes): AsyncIterable<Bytes> {
  yield bytes;
}

async function* encodeAll<T>(codec: Codec<T>, messages: AsyncIterable<T>): AsyncIterable<Bytes> {
  for await (const message of messages) yield codec.encode(message).finish();
}

async function* decodeAll<T>(codec: Codec<T>, path: string, messages: AsyncIterable<Bytes>): AsyncIterable<T> {
  for await (const bytes of messages) yield decode(codec, bytes, path);
}

function decode<T>(codec: Codec<T>, bytes: Bytes, path: string): T {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new BmsError(Reason.INTERNAL, `${path} answered with ${bytes.byteLength} bytes that are not of its type`, {
      cause,
    });
  }
}
