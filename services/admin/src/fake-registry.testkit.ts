import { GrpcServer } from '@bms/grpc';
import { BmsError, Reason } from '@bms/contracts';
import type { Bytes, Route, Routes, ServerCall } from '@bms/transport';
import { MANAGEMENT_METHODS } from './management-method';

/** A call that reached the registry. */
export interface RegistryCall {
  readonly path: string;
  readonly request: Bytes;
  readonly call: ServerCall;
}

/** A registry over real gRPC that answers what a spec tells it to. */
export class FakeRegistry {
  readonly calls: RegistryCall[] = [];
  /** By path. */
  readonly answers = new Map<string, (request: Bytes, call: ServerCall) => Promise<Bytes> | Bytes>();
  private readonly server = new GrpcServer(this.routes());
  private port = 0;

  static async start(): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    registry.port = await registry.server.listen({ host: '127.0.0.1', port: 0 });
    return registry;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    await this.server.close();
  }

  private routes(): Routes {
    const paths = MANAGEMENT_METHODS.filter(({ answeredBy }) => answeredBy === 'registry').map(({ path }) => path);
    return new Map(
      paths.map((path): [string, Route] => [
        path,
        { kind: 'unary', handle: (request, call) => this.answer(path, request, call) },
      ]),
    );
  }

  private async answer(path: string, request: Bytes, call: ServerCall): Promise<Bytes> {
    this.calls.push({ path, request: new Uint8Array(request), call });
    const answer = this.answers.get(path);
    if (answer === undefined) throw new BmsError(Reason.UNIMPLEMENTED, `the spec gave no answer for ${path}`);
    return answer(request, call);
  }
}
