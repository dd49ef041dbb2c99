import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureServiceToken } from '@bms/auth';
import type { meshService } from '@bms/contracts';
import { findEtcd } from '@bms/metastore/testkit';
import { BmsClient } from '@bms/sdk';
import { ROOT, runBms } from '../test-mesh';
import { HostNetwork } from './host-network';
import { HostProcess } from './host-process';

export const HOSTS = ['a', 'b', 'c'] as const;
export type Host = (typeof HOSTS)[number];
/** Where admin and the store are. */
const HUB = 'hub';

/** What `bms load --json` says at its end. */
export interface LoadSummary {
  readonly sent: number;
  readonly right: number;
  readonly failed: number;
  readonly wrong: number;
}

/** How long it took until the mesh was whole, and what came last. */
export interface Convergence {
  readonly tookMs: number;
  readonly lastLack: string;
}

/** Delays, when it is told to, what passes between the routers and the worker of its host. */
const PROXY = `
  const { FaultProxy } = require('@bms/transport/testkit');
  const [target, at] = process.argv.slice(1);
  FaultProxy.start(target, at).then((proxy) => {
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => proxy.delay(Number(line)));
    console.log('proxy serves');
  });
`;

/** A mesh over three hosts, each with a registry, a router and a worker; etcd and admin on a fourth. */
export class HostsMesh {
  private readonly network = new HostNetwork([...HOSTS, HUB]);
  private readonly processes = new Map<string, HostProcess>();
  private readonly folder = mkdtempSync(join(tmpdir(), 'bms-hosts-'));

  async start(): Promise<void> {
    mkdirSync(this.data(HUB), { recursive: true });
    ensureServiceToken(this.data(HUB));
    const at = this.network.address(HUB);
    const urls = ['--listen-client-urls', '--advertise-client-urls'].flatMap((flag) => [flag, `http://${at}:2379`]);
    const etcd = [findEtcd() ?? 'etcd', '--data-dir', join(this.folder, 'etcd'), ...urls];
    await this.run('etcd', HUB, etcd, /ready to serve client requests|serving insecure client|serving client traffic/);
    for (const host of HOSTS) {
      cpSync(join(this.data(HUB), 'service-token'), join(this.data(host), 'service-token'));
      await this.startRegistry(host);
    }
    await this.service('admin', HUB, 'admin', ['--registry', this.registries()], /admin serves/);
    for (const host of HOSTS) {
      await this.startWorker(host);
      await this.startRouter(host);
    }
    await this.bms('push', 'digits', join(ROOT, 'examples/digits/digits-v1.onnx'), '--activate');
    await this.converged();
  }

  async startRegistry(host: Host): Promise<void> {
    const store = ['--store', `etcd://${this.network.address(HUB)}:2379`, '--blobs', join(this.folder, 'blobs')];
    await this.service(`registry-${host}`, host, 'registry', [...store, '--replicas', '3'], /registry serves/);
  }

  async startRouter(host: Host): Promise<void> {
    await this.service(`router-${host}`, host, 'router', ['--registry', this.registries()], /router serves/);
  }

  process(name: string): HostProcess {
    const found = this.processes.get(name);
    if (found === undefined) throw new Error(`there is no process ${name}`);
    return found;
  }

  cut(host: Host): void {
    this.network.cut(host);
  }

  heal(host: Host): void {
    this.network.heal(host);
  }

  lose(host: Host, percent: number): void {
    this.network.lose(host, percent);
  }

  mute(host: Host): void {
    this.network.mute(host);
  }

  unmute(host: Host): void {
    this.network.unmute(host);
  }

  /** What passes between the routers and the host's worker takes this much longer, each way. */
  delayWorker(host: Host, ms: number): void {
    this.process(`proxy-${host}`).tell(String(ms));
  }

  client(...routers: readonly Host[]): BmsClient {
    return new BmsClient({ router: this.routers(routers), admin: `${this.network.address(HUB)}:8600` });
  }

  /** Checked requests through these routers while `disturb` runs. */
  async underLoad(routers: readonly Host[], seconds: number, disturb: () => Promise<void>): Promise<LoadSummary> {
    const flags = ['--rate', '60', '--seconds', String(seconds), '--attempts', '3', '--json'];
    const load = this.bms('load', 'digits', ...flags, '--router', this.routers(routers));
    const [out] = await Promise.all([load, disturb()]);
    return (JSON.parse(out.trim().split('\n').at(-1) ?? '') as { summary: LoadSummary }).summary;
  }

  /** Resolves once all is as it should be, on every host. */
  async converged(boundMs = 30_000): Promise<Convergence> {
    const startedMs = performance.now();
    let lastLack = 'nothing';
    const client = this.client(...HOSTS);
    try {
      for (;;) {
        const status = await client.mesh
          .getMeshStatus({ tenant: 'default' }, { deadlineMs: Date.now() + 2_000 })
          .catch(() => undefined);
        const tookMs = performance.now() - startedMs;
        const lacks = status === undefined ? 'status' : (lackOf(status) ?? (await this.lackOfRouters()));
        if (lacks === undefined) return { tookMs, lastLack };
        lastLack = lacks;
        if (tookMs > boundMs) throw new Error(`no ${lacks} after ${boundMs} ms:\n${this.describe(status)}`);
        await new Promise((next) => setTimeout(next, 50));
      }
    } finally {
      client.close();
    }
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.processes.values()].map((one) => one.kill()));
    this.network.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A prediction through the host's router; answers who made it. */
  async predictThrough(host: Host): Promise<string> {
    const client = this.client(host);
    try {
      const pixels = { datatype: 'FP32' as const, shape: [1, 64], data: new Float32Array(64) };
      return (await client.infer({ model: 'digits', inputs: { pixels } }, { timeoutMs: 1_000 })).servedBy;
    } finally {
      client.close();
    }
  }

  private async lackOfRouters(): Promise<string | undefined> {
    const answers = await Promise.allSettled(HOSTS.map((host) => this.predictThrough(host)));
    if (answers.some(({ status }) => status === 'rejected')) return 'answer of each router';
    const connected = await Promise.all(HOSTS.map((host) => this.workersOf(host)));
    return connected.every((workers) => workers === HOSTS.length)
      ? undefined
      : 'connection of each router to each worker';
  }

  /** How many workers the host's router is connected to. */
  private async workersOf(host: Host): Promise<number> {
    const url = `http://${this.network.address(host)}:8502/metrics`;
    const text = await fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
      (response) => response.text(),
      () => '',
    );
    return Number(/^bms_router_workers_connected(?:\{[^}]*\})? ([0-9]+)$/m.exec(text)?.[1] ?? 0);
  }

  /** The worker listens on its host's loopback only, and tells others the proxy's address. */
  private async startWorker(host: Host): Promise<void> {
    const at = this.network.address(host);
    const proxy = [process.execPath, '-e', PROXY, '127.0.0.1:8800', `${at}:8800`];
    await this.run(`proxy-${host}`, host, proxy, /proxy serves/);
    const flags = ['--registry', this.registries(), '--advertise', at, '--host', '127.0.0.1'];
    await this.service(`worker-${host}`, host, 'inference-worker', flags, /worker serves/);
  }

  private async service(
    name: string,
    host: Host | typeof HUB,
    kind: 'registry' | 'router' | 'inference-worker' | 'admin',
    flags: readonly string[],
    served: RegExp,
  ): Promise<void> {
    const script = join(ROOT, 'services', kind, 'dist/main.js');
    const common = ['--data', this.data(host), '--insecure'];
    const bind = flags.includes('--host') ? [] : ['--host', this.network.address(host)];
    await this.run(name, host, [process.execPath, script, ...common, ...bind, ...flags], served);
  }

  private async run(name: string, host: string, command: readonly string[], served: RegExp): Promise<void> {
    this.processes.set(name, await HostProcess.start(this.network.commandOn(host, ...command), served));
  }

  private async bms(...args: readonly string[]): Promise<string> {
    const to = ['--admin', `${this.network.address(HUB)}:8600`, '--data', this.data(HUB)];
    const { code, out, err } = await runBms([...args, ...to]);
    if (code !== 0) throw new Error(`bms ${args.join(' ')} ended with ${code}: ${out.slice(-2_000)} ${err}`);
    return out;
  }

  private registries(): string {
    return HOSTS.map((host) => `${this.network.address(host)}:8700`).join(',');
  }

  private routers(hosts: readonly Host[]): string {
    return hosts.map((host) => `${this.network.address(host)}:8500`).join(',');
  }

  private data(host: string): string {
    return join(this.folder, host);
  }

  private describe(status: meshService.GetMeshStatusResponse | undefined): string {
    const logs = [...this.processes].map(([name, { lines }]) => `${name}:\n  ${lines.slice(-4).join('\n  ')}`);
    const seen = JSON.stringify(status, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
    return `${seen}\n${logs.join('\n')}`;
  }
}

/** What is not as it should be. */
function lackOf({ workers, routers, versions }: meshService.GetMeshStatusResponse): string | undefined {
  if (workers.filter(({ attached }) => attached).length !== HOSTS.length) return 'worker of each host attached';
  if (routers.length !== HOSTS.length) return 'router of each host attached';
  const ready = versions.length > 0 && versions.every(({ readyReplicas }) => readyReplicas === HOSTS.length);
  return ready ? undefined : 'replica on each host';
}
