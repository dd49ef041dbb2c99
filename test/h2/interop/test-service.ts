import { join } from 'node:path';
import type { Client, Codec, MethodDefinition } from '@bms/transport';
import {
  loadSync,
  type MethodDefinition as LoadedMethod,
  type ServiceDefinition as LoadedService,
} from '@grpc/proto-loader';

export type Empty = Readonly<Record<string, never>>;

export interface Payload {
  readonly body: Uint8Array;
}

export interface EchoStatus {
  readonly code: number;
  readonly message: string;
}

export interface SimpleRequest {
  readonly response_size?: number;
  readonly payload?: Payload;
  readonly response_status?: EchoStatus | null;
  readonly response_compressed?: { readonly value: boolean } | null;
}

export interface StreamingOutputRequest {
  readonly response_parameters?: readonly { readonly size: number; readonly interval_us?: number }[];
  readonly payload?: Payload;
  readonly response_status?: EchoStatus | null;
}

export interface PayloadResponse {
  readonly payload: Payload | null;
}

// From the sources and from the build.
const PROTO = join(__dirname.replace(/([\\/])dist([\\/])h2/, '$1h2'), 'test-service.proto');
const PACKAGE = loadSync(PROTO, { keepCase: true, defaults: true, longs: Number });

/** gRPC's own test service. */
export const TEST_SERVICE = {
  fullName: 'grpc.testing.TestService',
  methods: {
    emptyCall: method<Empty, Empty, false, false>('EmptyCall', false, false),
    unaryCall: method<SimpleRequest, PayloadResponse, false, false>('UnaryCall', false, false),
    streamingInputCall: method<{ payload: Payload }, { aggregated_payload_size: number }, true, false>(
      'StreamingInputCall',
      true,
      false,
    ),
    streamingOutputCall: method<StreamingOutputRequest, PayloadResponse, false, true>(
      'StreamingOutputCall',
      false,
      true,
    ),
    fullDuplexCall: method<StreamingOutputRequest, PayloadResponse, true, true>('FullDuplexCall', true, true),
  },
} as const;

export type TestClient = Client<typeof TEST_SERVICE>;

/** A body as the tests want it: zeros. */
export function payloadOf(bytes: number): Payload {
  return { body: Buffer.alloc(bytes) };
}

function method<Request, Response, In extends boolean, Out extends boolean>(
  name: string,
  requestStream: In,
  responseStream: Out,
): MethodDefinition<Request, Response, In, Out> {
  const service = PACKAGE['grpc.testing.TestService'] as LoadedService;
  const loaded = service[name] as LoadedMethod<object, object>;
  return {
    name,
    requestStream,
    responseStream,
    requestType: codec(loaded.requestSerialize, loaded.requestDeserialize),
    responseType: codec(loaded.responseSerialize, loaded.responseDeserialize),
  };
}

function codec<T>(serialize: (value: object) => Buffer, deserialize: (bytes: Buffer) => object): Codec<T> {
  return {
    encode: (message) => ({ finish: () => serialize(message as object) }),
    decode: (bytes) => deserialize(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)) as T,
  };
}
