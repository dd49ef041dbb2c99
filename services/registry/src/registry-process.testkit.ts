import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bearer, readServiceToken } from '@bms/auth';
import { CallMetadata, meshService, modelService } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import { createClient, Metadata, type CallOptions, type Client } from '@bms/transport';

/** A registry as a process of its own (the build's), to be killed and frozen; and its clients. */
export class RegistryProcess {
  readonly models: Client<modelService.ModelServiceDefinition>;
  readonly mesh: Client<meshService.MeshServiceDefinition>;
  private readonly channels: GrpcChannel[] = [];

  /** Resolves once it serves. Throws what it says where it does not. */
  static async start(data: string, state: string, ...flags: readonly string[]): Promise<RegistryProcess> {
    const main = join(__dirname, '..', 'dist', 'main.js');
    const argv = [main, `--data=${data}`, `--state=${state}`, '--grpc-port=0', '--operations-port=0', ...flags];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      for await (const line of createInterface({ input: stream })) {
        lines.push(line);
        const port = /"grpcPort":([0-9]+)/.exec(line)?.[1];
        if (port === undefined) continue;
        child.stdout.resume();
        child.stderr.resume();
        return new RegistryProcess(child, `127.0.0.1:${port}`, data);
      }
    }
    throw new Error(lines.join('\n'));
  }

  private constructor(
    private readonly child: ChildProcess,
    readonly address: string,
    private readonly data: string,
  ) {
    const channel = this.dial();
    this.models = createClient(modelService.ModelServiceDefinition, channel);
    this.mesh = createClient(meshService.MeshServiceDefinition, channel);
  }

  get trusted(): CallOptions {
    const token = readServiceToken(this.data) ?? '';
    return {
      metadata: Metadata.from({ [CallMetadata.authorization]: bearer(token), [CallMetadata.principal]: 'ann' }),
    };
  }

  dial(): GrpcChannel {
    const channel = new GrpcChannel(this.address);
    this.channels.push(channel);
    return channel;
  }

  async status(): Promise<meshService.GetMeshStatusResponse> {
    return this.mesh.getMeshStatus({ tenant: '' });
  }

  /** Stands still from now on, with all its connections. */
  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    for (const channel of this.channels.splice(0)) channel.close();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}
