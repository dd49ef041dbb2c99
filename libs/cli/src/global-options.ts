import { readServiceToken } from '@bms/auth';
import { DEFAULT_TENANT, parseTenantId } from '@bms/contracts';
import { Option, type Command } from 'commander';
import { PORT_OFFSETS } from './mesh/mesh-plan';
import { parseDurationMs } from './parse-duration';
import { UsageError } from './usage-error';

/** What can be said to every verb. */
export interface GlobalOptions {
  readonly tenant: string;
  /** `host:port` of admin's gRPC. */
  readonly admin: string;
  /** `host:port` of each router's gRPC. */
  readonly router: readonly string[];
  /** The mesh's data folder, where the service token is. */
  readonly data: string;
  readonly json: boolean;
  /** As given; each verb has a default of its own. */
  readonly timeoutMs: number | undefined;
  /** From BMS_TOKEN or the data folder; undefined where there is none. */
  readonly token: string | undefined;
}

const PORT_BASE_DEFAULT = '8500';

/** Adds the options to a command. They are offered before the verb as well as behind it. */
export function addGlobalOptions(command: Command): Command {
  return GLOBAL_OPTIONS.reduce((whole, [flags, description]) => {
    const option = new Option(flags, description);
    return whole.addOption(option);
  }, command);
}

const GLOBAL_OPTIONS = [
  ['--tenant <name>', `whose models are meant (default: ${DEFAULT_TENANT}; BMS_TENANT)`],
  ['--admin <host:port>', "admin's gRPC address (default: 127.0.0.1:8600; BMS_ADMIN)"],
  [
    '--router <host:port>',
    "the router's gRPC address, or several with commas between (default: 127.0.0.1:8500; BMS_ROUTER)",
  ],
  ['--port-base <port>', 'the --port-base that the mesh was started with (default: 8500; BMS_PORT_BASE)'],
  [
    '--data <folder>',
    "the mesh's data folder, for its service token (default: .bms; BMS_DATA, or the token in BMS_TOKEN)",
  ],
  ['--timeout <duration>', 'how long to wait: 500ms, 30s, 2m'],
  ['--json', 'answer as JSON'],
] as const;

/** The options of a command and those before the verb, the environment and the defaults. Throws UsageError. */
export function readGlobalOptions(command: Command, env: Readonly<Record<string, string | undefined>>): GlobalOptions {
  const given = optionsOf(command);
  const text = (key: string, variable: string, fallback: string): string => {
    const value = given[key] ?? env[variable];
    return typeof value === 'string' && value !== '' ? value : fallback;
  };
  const portBase = parsePortBase(text('portBase', 'BMS_PORT_BASE', PORT_BASE_DEFAULT));
  const data = text('data', 'BMS_DATA', '.bms');
  const timeout = given['timeout'];
  return {
    tenant: parseTenantId(text('tenant', 'BMS_TENANT', DEFAULT_TENANT), '--tenant'),
    admin: parseAddress(text('admin', 'BMS_ADMIN', `127.0.0.1:${portBase + PORT_OFFSETS.adminGrpc}`), '--admin'),
    router: text('router', 'BMS_ROUTER', `127.0.0.1:${portBase + PORT_OFFSETS.routerGrpc}`)
      .split(',')
      .map((address) => parseAddress(address.trim(), '--router')),
    data,
    json: given['json'] === true,
    timeoutMs: typeof timeout === 'string' ? parseDurationMs(timeout, '--timeout') : undefined,
    token: readToken(data, env),
  };
}

/** What stands nearer to the end wins: behind the verb, before that before it. */
function optionsOf(command: Command): Readonly<Record<string, string | boolean | undefined>> {
  return { ...(command.parent === null ? {} : optionsOf(command.parent)), ...command.opts() };
}

function parsePortBase(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : NaN;
  if (port >= 1 && port <= 65_000) return port;
  throw new UsageError(`--port-base is ${JSON.stringify(text)}: a port from 1 to 65000 is allowed`);
}

function parseAddress(text: string, option: string): string {
  const port = Number(/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})$/.exec(text)?.[1] ?? NaN);
  if (port >= 1 && port <= 65_535) return text;
  throw new UsageError(`${option} is ${JSON.stringify(text)}: HOST:PORT is allowed, such as 127.0.0.1:8600`);
}

/** A folder that belongs to somebody else gives no token: reading needs none, and a change says that it lacks one. */
function readToken(data: string, env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (env['BMS_TOKEN'] !== undefined && env['BMS_TOKEN'] !== '') return env['BMS_TOKEN'];
  try {
    return readServiceToken(data);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
