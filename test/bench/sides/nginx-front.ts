import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { BenchmarkContext } from '../benchmark';
import type { BenchProcess } from './bench-process';
import { freePort } from './free-port';
import type { Side } from './side';

/** In front of a worker; undefined, said aloud, where nginx is not installed. */
export async function nginxSide(context: BenchmarkContext, worker: Side): Promise<Side | undefined> {
  const version = nginxVersion();
  if (version === undefined) {
    context.say('nginx is NOT INSTALLED: it is left out, and so are the figures that compare with it');
    return undefined;
  }
  const { pid, address } = await startNginx(context, worker.address);
  return { name: `${version} grpc_pass`, address, pids: { front: pid, worker: worker.pids['front'] as number } };
}

/** As `nginx -v` says it; undefined where nginx is not in the path. */
function nginxVersion(): string | undefined {
  const { error, stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' });
  return error === undefined ? /nginx\/\S+/.exec(stderr)?.[0] : undefined;
}

/** It has a connection upstream for each: four callers' together are fewer than a worker lets begin at once. */
const STREAMS = 60;
const LOOK_MS = 20;
const START_BOUND_MS = 5_000;

/**
 * nginx with `grpc_pass` in front of one server: one process, connections kept at both ends, no log, buffers that hold the largest
 * bodies measured, so that it is not slowed by a setting.
 */
async function startNginx(context: BenchmarkContext, upstream: string): Promise<BenchProcess> {
  const folder = mkdtempSync(join(context.folder, 'nginx-'));
  const port = await freePort();
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, configOf(folder, port, upstream));
  const child = spawn('nginx', ['-c', config, '-p', folder, '-e', join(folder, 'error.log')], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  context.atEnd(stop);
  const endMs = performance.now() + START_BOUND_MS;
  while (!(await accepts(port))) {
    if (performance.now() > endMs) throw new Error(`nginx does not serve after ${START_BOUND_MS} ms`);
    await wait(LOOK_MS);
  }
  return { pid: child.pid as number, address: `127.0.0.1:${port}`, stop };
}

function configOf(folder: string, port: number, upstream: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => {
    return `${name}_temp_path ${join(folder, name)};`;
  });
  return `
daemon off;
master_process off;
worker_processes 1;
pid ${join(folder, 'pid')};
events { worker_connections 16384; }
http {
  access_log off;
  ${temporary.join('\n  ')}
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  http2_body_preread_size 1m;
  http2_max_concurrent_streams ${STREAMS};
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  grpc_buffer_size 64k;
  grpc_read_timeout 1h;
  grpc_send_timeout 1h;
  upstream worker {
    server ${upstream};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${port} http2;
    location / { grpc_pass grpc://worker; }
  }
}
`;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
