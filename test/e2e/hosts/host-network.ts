import { execFileSync } from 'node:child_process';

/** Why no hosts can be made here; undefined: they can. */
export function whyNoHosts(): string | undefined {
  const name = `bms-try-${process.pid}`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' });
    execFileSync('ip', ['netns', 'del', name], { stdio: 'pipe' });
    execFileSync('ip', ['link', 'add', `bmst${process.pid}`, 'type', 'bridge'], { stdio: 'pipe' });
    execFileSync('ip', ['link', 'del', `bmst${process.pid}`], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: Buffer };
    return `network namespaces cannot be made: ${stderr?.toString().trim() || message}`;
  }
}

/** Why packets cannot be lost here; undefined: they can. */
export function whyNoLoss(): string | undefined {
  const name = `bmsl${process.pid}`;
  try {
    ip('link', 'add', name, 'type', 'bridge');
    tc('add', 'dev', name, 'root', 'netem', 'loss', '1%');
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: Buffer };
    return `netem is not to be had: ${stderr?.toString().trim() || message}`;
  } finally {
    attempt('link', 'del', name);
  }
}

/**
 * Hosts of one network: a network namespace each, joined by a bridge on which the test itself sits, too. Names carry the
 * pid, so that runs side by side do not meet.
 */
export class HostNetwork {
  private readonly bridge = `bms${process.pid}`;
  private readonly subnet = `10.${64 + (process.pid % 128)}.${Math.floor(process.pid / 128) % 250}`;

  constructor(private readonly hosts: readonly string[]) {
    ip('link', 'add', this.bridge, 'type', 'bridge');
    ip('addr', 'add', `${this.subnet}.254/24`, 'dev', this.bridge);
    ip('link', 'set', this.bridge, 'up');
    for (const host of hosts) this.join(host);
  }

  address(host: string): string {
    return `${this.subnet}.${this.hosts.indexOf(host) + 1}`;
  }

  /** What runs `command` on the host. */
  commandOn(host: string, ...command: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.namespace(host), ...command];
  }

  /** Takes the cable out, on the far side: the host itself does not notice. */
  cut(host: string): void {
    ip('link', 'set', this.cable(host), 'down');
  }

  heal(host: string): void {
    ip('link', 'set', this.cable(host), 'up');
  }

  /** The host hears all and says nothing: each of its connections is half open. */
  mute(host: string): void {
    for (const half of this.halves()) ip('-n', this.namespace(host), 'route', 'add', 'blackhole', half);
  }

  unmute(host: string): void {
    for (const half of this.halves()) ip('-n', this.namespace(host), 'route', 'del', 'blackhole', half);
  }

  /** Of what the host is sent, so many percent get lost; 0: nothing. */
  lose(host: string, percent: number): void {
    if (percent === 0) tc('del', 'dev', this.cable(host), 'root');
    else tc('add', 'dev', this.cable(host), 'root', 'netem', 'loss', `${percent}%`);
  }

  dispose(): void {
    for (const host of this.hosts) attempt('netns', 'del', this.namespace(host));
    attempt('link', 'del', this.bridge);
  }

  private join(host: string): void {
    const namespace = this.namespace(host);
    ip('netns', 'add', namespace);
    ip('link', 'add', this.cable(host), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('link', 'set', this.cable(host), 'master', this.bridge, 'up');
    ip('-n', namespace, 'addr', 'add', `${this.address(host)}/24`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
  }

  private halves(): readonly string[] {
    return [`${this.subnet}.0/25`, `${this.subnet}.128/25`];
  }

  private namespace(host: string): string {
    return `bms-${process.pid}-${host}`;
  }

  /** Its end on the bridge; an interface's name has 15 characters at most. */
  private cable(host: string): string {
    return `b${process.pid}-${host}`.slice(0, 15);
  }
}

function tc(...args: readonly string[]): void {
  execFileSync('tc', ['qdisc', ...args], { stdio: 'pipe' });
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' });
}

function attempt(...args: readonly string[]): void {
  try {
    ip(...args);
  } catch {
    // was never made, or is gone with its namespace
  }
}
