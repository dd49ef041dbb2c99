import { BmsError, Reason } from '@bms/contracts';
import {
  MESSAGE_LIMIT_BYTES_DEFAULT,
  unknownMethod,
  type ListenAddress,
  type Routes,
  type Server,
  type ServerOptions,
} from '@bms/transport';
import type { Stream, StreamListener } from '../connection/stream';
import type { DecodedHeaders } from '../hpack/hpack-decoder';
import { readRequestHead } from '../grpc/request-head';
import { EDGE_LIMITS, type ConnectionLimits } from '../limits';
import { H2Listener, type ServerTls } from './h2-listener';
import type { CallSettings } from './incoming-call';
import { HttpRefusal, Refusal } from './refusal';
import type { ServerConnection } from './server-connection';
import { StreamingCall } from './streaming-call';
import { UnaryCall } from './unary-call';

/** All have defaults. */
export interface H2ServerOptions extends ServerOptions {
  /** What one connection may take; for callers whom nobody knows by default. */
  readonly limits?: ConnectionLimits | undefined;
  /** Encrypts; not encrypted by default. */
  readonly tls?: ServerTls | undefined;
}

/** Headers of answers whose values repeat. */
const INDEXED: ReadonlySet<string> = new Set(['content-type', 'grpc-status', 'grpc-encoding', 'grpc-accept-encoding']);

/** Answers routes over gRPC on HTTP/2 connections of our own. */
export class H2Server implements Server {
  private readonly listener: H2Listener;
  private readonly settings: CallSettings;

  /** @param options limits, and whom to tell of internal errors; see there for the defaults */
  constructor(
    private readonly routes: Routes,
    options: H2ServerOptions = {},
  ) {
    const { limits = EDGE_LIMITS, concurrentStreams = limits.concurrentStreams, onInternalError = () => {} } = options;
    this.settings = {
      messageLimitBytes: options.messageBytes ?? MESSAGE_LIMIT_BYTES_DEFAULT,
      tooLargeRemedy: `raise ${options.messageLimitSetting ?? 'messageLimit'} to allow more`,
      onInternalError,
    };
    this.listener = new H2Listener(
      (connection) => (stream, headers, ended) => this.accept(connection, stream, headers, ended),
      {
        limits: { ...limits, concurrentStreams },
        tls: options.tls,
        indexedHeaders: INDEXED,
        callerTimeoutMs: options.callerTimeoutMs,
        onInternalError: (error) => onInternalError(error, 'connection'),
      },
    );
  }

  listen(address: ListenAddress): Promise<number> {
    return this.listener.listen(address);
  }

  drain(signal: AbortSignal): Promise<void> {
    return this.listener.drain(signal);
  }

  close(): Promise<void> {
    return this.listener.close();
  }

  private accept(
    connection: ServerConnection,
    stream: Stream,
    { fields, tooLarge }: DecodedHeaders,
    ended: boolean,
  ): StreamListener {
    if (tooLarge)
      return new Refusal(stream, new BmsError(Reason.MESSAGE_TOO_LARGE, 'the metadata is larger than is taken'));
    const head = readRequestHead(fields);
    if (head.kind === 'no-call') return new HttpRefusal(stream, head.httpStatus);
    if (head.kind === 'refused') return new Refusal(stream, head.error);
    const route = this.routes.get(head.path);
    if (route === undefined) return new Refusal(stream, unknownMethod(head.path, this.routes));
    if (route.kind === 'unary') {
      const call = new UnaryCall(route.handle, stream, head, connection, this.settings);
      if (ended) call.onData(Buffer.alloc(0), true);
      return call;
    }
    const call = new StreamingCall(route.handle, stream, head, connection, this.settings);
    if (ended) call.onData(Buffer.alloc(0), true);
    void call.answer();
    return call;
  }
}
