import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearer, readServiceToken } from '@bms/auth';
import { CallMetadata } from '@bms/contracts';
import { GrpcChannel } from '@bms/grpc';
import type { RunningService } from '@bms/lifecycle';
import { Metadata, type CallOptions } from '@bms/transport';
import { startAdmin } from './compose';
import { loadConfig } from './config';
import { FakeRegistry } from './fake-registry.testkit';

/** Admin as it runs, in this process, in front of a fake registry. */
export class AdminUnderTest {
  private constructor(
    readonly folder: string,
    readonly registry: FakeRegistry,
    private readonly service: RunningService,
    readonly channel: GrpcChannel,
  ) {}

  /** @param registries further addresses, asked before the fake one */
  static async start(registries: readonly string[] = []): Promise<AdminUnderTest> {
    const folder = mkdtempSync(join(tmpdir(), 'bms-admin-'));
    const registry = await FakeRegistry.start();
    const ports = ['--grpc-port=0', '--http-port=0', '--operations-port=0', '--log-level=error'];
    const addresses = [...registries, registry.address].join(',');
    const config = loadConfig({ argv: ['--data', folder, '--registry', addresses, ...ports], env: {} });
    const service = await startAdmin(config);
    return new AdminUnderTest(folder, registry, service, new GrpcChannel(String(service.facts['grpc'])));
  }

  get token(): string {
    return readServiceToken(this.folder) ?? '';
  }

  get http(): string {
    return `http://${this.service.facts['http'] ?? ''}`;
  }

  get operations(): string {
    return `http://${this.service.facts['operations'] ?? ''}`;
  }

  /** Options of a call with the service token. */
  trusted(more: Readonly<Record<string, string>> = {}): CallOptions {
    const identity = { [CallMetadata.authorization]: bearer(this.token), [CallMetadata.principal]: 'ann@desk' };
    return { metadata: Metadata.from({ ...identity, ...more }) };
  }

  async stop(): Promise<void> {
    this.channel.close();
    await this.service.stop(new AbortController().signal);
    await this.registry.close();
    rmSync(this.folder, { recursive: true });
  }
}
