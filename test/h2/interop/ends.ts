import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { GrpcChannel, GrpcServer } from '@bms/grpc';
import { H2Channel, H2Server } from '@bms/h2';
import type { Channel, Server } from '@bms/transport';
import { CASES, runCase } from './cases';
import { testServiceRoutes } from './test-service.routes';

/** What is installed beside Node.js; undefined: not here. */
export interface ForeignTools {
  readonly goClient?: string;
  readonly goServer?: string;
  /** A Python that has grpcio and grpcio-tools. */
  readonly python?: string;
  /** Where generated Python code goes. */
  readonly folder: string;
}

export interface RunningServer {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

export interface ServerEnd {
  readonly name: string;
  readonly start: () => Promise<RunningServer>;
}

/** What became of one case: undefined when it passed, else why not. */
export type Outcomes = ReadonlyMap<string, string | undefined>;

export interface ClientEnd {
  readonly name: string;
  readonly run: (port: number) => Promise<Outcomes>;
}

/** Not in every client's list, or against what a server of the port can do: it sends no metadata before its answer, and compresses nothing. */
const GO_CASES = Object.keys(CASES).filter((name) => name !== 'custom_metadata');
const PYTHON_CASES = [...GO_CASES, 'custom_trailers', 'client_compressed_unary', 'client_compressed_streaming'];
const PEER = join(__dirname.replace(/([\\/])dist([\\/])h2/, '$1h2'), 'grpcio_peer.py');
const CASE_MS = 20_000;

export function serverEnds(tools: ForeignTools): ServerEnd[] {
  const { goServer, python, folder } = tools;
  return [
    { name: 'ours', start: () => inProcess(new H2Server(testServiceRoutes())) },
    { name: 'grpc-js', start: () => inProcess(new GrpcServer(testServiceRoutes())) },
    ...(goServer === undefined ? [] : [{ name: 'grpc-go', start: () => startGo(goServer) }]),
    ...(python === undefined ? [] : [{ name: 'grpcio', start: () => startPython(python, folder) }]),
  ];
}

export function clientEnds(tools: ForeignTools): ClientEnd[] {
  const { goClient, python, folder } = tools;
  return [
    { name: 'ours', run: (port) => overChannel(new H2Channel(`127.0.0.1:${port}`)) },
    { name: 'grpc-js', run: (port) => overChannel(new GrpcChannel(`127.0.0.1:${port}`)) },
    ...(goClient === undefined ? [] : [{ name: 'grpc-go', run: (port: number) => runGo(goClient, port) }]),
    ...(python === undefined ? [] : [{ name: 'grpcio', run: (port: number) => runPython(python, folder, port) }]),
  ];
}

async function inProcess(server: Server): Promise<RunningServer> {
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  return { port, stop: () => server.close() };
}

async function startGo(goServer: string): Promise<RunningServer> {
  const port = await freePort();
  const child = spawn(goServer, ['--port', String(port), '--use_tls=false'], { stdio: 'ignore' });
  const channel = new H2Channel(`127.0.0.1:${port}`, { reconnectMinMs: 20 });
  channel.connect();
  await new Promise<void>((resolve) => {
    const stop = channel.onStateChange((state) => {
      if (state !== 'ready') return;
      stop();
      resolve();
    });
  });
  channel.close();
  return { port, stop: () => end(child) };
}

async function startPython(python: string, folder: string): Promise<RunningServer> {
  const child = spawn(python, [PEER, folder, 'server'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { port: Number(line), stop: () => end(child) };
}

async function overChannel(channel: Channel): Promise<Outcomes> {
  const outcomes = new Map<string, string | undefined>();
  for (const name of Object.keys(CASES)) outcomes.set(name, await outcomeOf(runCase(name, channel)));
  channel.close();
  return outcomes;
}

async function outcomeOf(run: Promise<void>): Promise<string | undefined> {
  const hangs = new AbortController();
  const late = pause(CASE_MS, `hangs for ${CASE_MS} ms`, { signal: hangs.signal });
  try {
    return await Promise.race([run.then(() => undefined, String), late.catch(() => undefined)]);
  } finally {
    hangs.abort();
  }
}

async function runGo(goClient: string, port: number): Promise<Outcomes> {
  const outcomes = new Map<string, string | undefined>();
  for (const name of GO_CASES) {
    const args = ['--server_host=127.0.0.1', `--server_port=${port}`, '--use_tls=false', `--test_case=${name}`];
    const { code, output } = await runToEnd(goClient, args);
    outcomes.set(name, code === 0 ? undefined : output.trim());
  }
  return outcomes;
}

async function runPython(python: string, folder: string, port: number): Promise<Outcomes> {
  const { output } = await runToEnd(python, [PEER, folder, 'client', String(port), PYTHON_CASES.join(',')]);
  return new Map(
    PYTHON_CASES.map((name) => {
      const line = output.split('\n').find((one) => one.startsWith(`${name} `));
      return [name, line === `${name} passed` ? undefined : (line ?? `it did not come to its end: ${output}`)];
    }),
  );
}

async function runToEnd(command: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: CASE_MS });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: Buffer.concat(chunks).toString() };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, 'close');
  return port;
}
