import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { StartError } from '@bms/lifecycle';
import type { PlannedService } from './mesh-plan';

/** Throws a StartError that names the first taken port, its owner where the system tells, and the setting to change. */
export async function checkPortsAreFree(host: string, services: readonly PlannedService[]): Promise<void> {
  for (const { port, purpose } of services.flatMap((service) => service.ports)) {
    const problem = await bindProblem(host, port);
    if (problem === undefined) continue;
    if (problem !== 'EADDRINUSE')
      throw new StartError(`${host}:${port} (${purpose}) cannot be bound: ${problem}; choose another --host`);
    const owner = listenerOf(port);
    throw new StartError(
      `port ${port} (${purpose}) is taken${owner === undefined ? '' : ` by ${owner.program} (pid ${owner.pid})`}: ` +
        'stop that process, or move all ports with --port-base, such as --port-base 18500',
    );
  }
}

async function bindProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Who listens on a port, by Linux's /proc; undefined elsewhere, or where the process belongs to another user. */
function listenerOf(port: number): { readonly pid: number; readonly program: string } | undefined {
  try {
    const inodes = new Set([...listeningInodes('/proc/net/tcp', port), ...listeningInodes('/proc/net/tcp6', port)]);
    for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
      if (holdsSocket(pid, inodes)) return { pid: Number(pid), program: programOf(pid) };
    }
  } catch {
    // no /proc here: the sentence does without the owner
  }
  return undefined;
}

/** Lines of /proc/net/tcp: "sl local_address rem_address st … inode", where state 0A is LISTEN. */
function listeningInodes(table: string, port: number): readonly string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync(table, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(suffix) === true && columns[3] === '0A')
    .flatMap((columns) => columns[9] ?? []);
}

function holdsSocket(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const target = /^socket:\[([0-9]+)\]$/.exec(readlinkOrEmpty(`/proc/${pid}/fd/${fd}`));
      return target !== null && inodes.has(target[1] ?? '');
    });
  } catch {
    return false;
  }
}

function readlinkOrEmpty(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function programOf(pid: string): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean).slice(0, 3).join(' ').slice(0, 120);
}
