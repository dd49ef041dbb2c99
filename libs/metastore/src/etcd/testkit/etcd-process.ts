import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { restoreSnapshot } from './etcdctl';
import { findEtcd } from './find-etcd';
import { freePorts } from './free-ports';

/** Files in PEM, as etcd wants them. */
export interface ServerCertificates {
  readonly certFile: string;
  readonly keyFile: string;
  /** Whose clients are let in: with it, clients must show a certificate. */
  readonly trustedCaFile?: string;
}

/** All have defaults. */
export interface EtcdOptions {
  /** Its name in the cluster; `m0` by default. */
  readonly name?: string;
  /** Its two ports, for clients and for its peers; free ones by default. */
  readonly ports?: { readonly client: number; readonly peer: number };
  /** Members of its cluster, `name=http://host:port` each, by commas; itself alone by default. */
  readonly initialCluster?: string;
  /** Encrypts the client's port; plain by default. */
  readonly certificates?: ServerCertificates;
  /** Further flags, such as `--quota-backend-bytes`. */
  readonly flags?: readonly string[];
}

/** How long an etcd may take to serve, or to find its peers, on a machine that does much else. */
const START_LIMIT_MS = 30_000;
const SERVES = /serving client traffic (in)?securely/;

/** One real etcd on loopback, which keeps its ports and data through restarts. */
export class EtcdProcess {
  private child: ChildProcess | undefined;
  private readonly onExit = (): void => void this.child?.kill('SIGKILL');

  private constructor(
    private readonly binary: string,
    readonly name: string,
    /** Where its data is, until {@link dispose}. */
    readonly folder: string,
    readonly ports: { readonly client: number; readonly peer: number },
    private readonly options: EtcdOptions,
  ) {
    process.on('exit', this.onExit); // a test run that dies leaves none behind
  }

  /** Not started yet. Throws where no etcd is installed. */
  static async prepare(options: EtcdOptions = {}): Promise<EtcdProcess> {
    const binary = findEtcd();
    if (binary === undefined) throw new Error('no etcd is installed: put it on the PATH, or name it in BMS_ETCD');
    const [client = 0, peer = 0] = options.ports === undefined ? await freePorts(2) : [];
    const folder = mkdtempSync(join(tmpdir(), 'bms-etcd-'));
    return new EtcdProcess(binary, options.name ?? 'm0', folder, options.ports ?? { client, peer }, options);
  }

  /** `host:port` for clients. */
  get endpoint(): string {
    return `127.0.0.1:${this.ports.client}`;
  }

  get running(): boolean {
    return this.child !== undefined;
  }

  /** Resolves once it serves clients: the data of before, the ports of before. */
  async start(): Promise<void> {
    if (this.child !== undefined) throw new Error(`etcd ${this.name} runs already`);
    const child = spawn(this.binary, this.flags(), { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child = child;
    let said = '';
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`etcd ${this.name} ${why}: ${said.slice(-2_000)}`));
      const timer = setTimeout(() => fail('did not serve in time'), START_LIMIT_MS);
      child.stderr?.on('data', (chunk: Buffer) => {
        if (SERVES.test(said)) return;
        said += chunk.toString('utf8');
        if (!SERVES.test(said)) return;
        clearTimeout(timer);
        resolve();
      });
      child.once('exit', (code) => {
        clearTimeout(timer);
        fail(`ended with ${code}`);
      });
    });
  }

  /** SIGKILL; resolves once it is gone. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    this.child = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** SIGSTOP: its connections stay, and nothing answers. */
  stop(): void {
    this.child?.kill('SIGSTOP');
  }

  /** SIGCONT. */
  cont(): void {
    this.child?.kill('SIGCONT');
  }

  /** Deletes its data while it is down. */
  wipe(): void {
    if (this.child !== undefined) throw new Error(`etcd ${this.name} runs: kill it first`);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Puts the data of a snapshot where its own were, while it is down and its folder is gone. */
  async restore(snapshot: string): Promise<void> {
    const peer = `http://127.0.0.1:${this.ports.peer}`;
    const cluster = ['--initial-cluster', `${this.name}=${peer}`, '--initial-advertise-peer-urls', peer];
    await restoreSnapshot(snapshot, ['--name', this.name, '--data-dir', this.folder, ...cluster]);
  }

  async dispose(): Promise<void> {
    await this.kill();
    this.wipe();
    process.off('exit', this.onExit);
  }

  private flags(): string[] {
    const { certificates, flags = [], initialCluster } = this.options;
    const client = `${certificates === undefined ? 'http' : 'https'}://${this.endpoint}`;
    const peer = `http://127.0.0.1:${this.ports.peer}`;
    return [
      ...['--name', this.name, '--data-dir', this.folder, '--logger', 'zap', '--log-outputs', 'stderr'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', initialCluster ?? `${this.name}=${peer}`],
      ...(certificates === undefined ? [] : certificateFlags(certificates)),
      ...flags,
    ];
  }
}

function certificateFlags({ certFile, keyFile, trustedCaFile }: ServerCertificates): string[] {
  const clients = trustedCaFile === undefined ? [] : ['--client-cert-auth', '--trusted-ca-file', trustedCaFile];
  return ['--cert-file', certFile, '--key-file', keyFile, ...clients];
}

/** A new etcd that serves. */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdProcess> {
  const etcd = await EtcdProcess.prepare(options);
  try {
    await etcd.start();
    return etcd;
  } catch (error) {
    await etcd.dispose();
    throw error;
  }
}
