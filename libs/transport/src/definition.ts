/** How a message type turns into bytes and back: what generated code offers. */
export interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** One method of a generated service definition. */
export interface MethodDefinition<Request, Response, RequestStream extends boolean, ResponseStream extends boolean> {
  readonly name: string;
  readonly requestType: Codec<Request>;
  readonly requestStream: RequestStream;
  readonly responseType: Codec<Response>;
  readonly responseStream: ResponseStream;
}

/* eslint-disable-next-line @typescript-eslint/no-explicit-any -- codecs are invariant in their message, so a bound for "any method" needs it */
export type AnyMethod = MethodDefinition<any, any, boolean, boolean>;

/** A generated service definition. */
export interface ServiceDefinition {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, AnyMethod>>;
}

export function pathOf(service: ServiceDefinition, method: AnyMethod): string {
  return `/${service.fullName}/${method.name}`;
}
