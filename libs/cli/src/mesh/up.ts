import { join } from 'node:path';
import { ensureServiceToken } from '@bms/auth';
import { BmsError } from '@bms/contracts';
import { advertisedHost } from '@bms/lifecycle';
import type { SettingsSources } from '@bms/settings';
import type { CliContext } from '../cli-context';
import { banner } from './banner';
import { configFile } from './config-file';
import { takeDataFolder } from './data-folder';
import { importExample } from './example-import';
import { loopbackFor, planMesh, stopOrder, type MeshPlan, type PlannedService } from './mesh-plan';
import { loadMeshSettings, type MeshSettings } from './mesh-settings';
import { checkPortsAreFree } from './port-check';
import { waitUntilReady, type MeshReadiness } from './predictions-flow';
import { stopSignal } from './stop-signal';
import { Supervisor } from './supervisor';
import { WaitingLine } from './waiting-line';

/** How long a start waits for versions to become ready before it says what is missing and goes on. */
const READY_BOUND_MS = 60_000;

/**
 * `bms up`: a whole mesh on this machine, each service a process of its own, until Ctrl-C or SIGTERM. Throws
 * SettingsError and StartError.
 */
export async function up(context: CliContext, sources: SettingsSources): Promise<void> {
  const settings = loadMeshSettings(sources);
  advertisedHost(settings);
  const say = (line: string): void => context.terminal.out(`${line}\n`);
  const plan = planMesh(settings, configFile(sources));
  const folder = takeDataFolder(settings.data);
  try {
    await checkPortsAreFree(settings.host, stopOrder(plan).flat());
    const token = ensureServiceToken(settings.data);
    const supervisor = new Supervisor({ plan, logFolder: join(settings.data, 'logs'), say, env: context.env });
    // A supervisor that ends in whatever way takes its children along: see supervisor-link.ts.
    const stopping = new AbortController();
    const stopped = stopSignal(() => {
      supervisor.kill();
      folder.release();
      process.exit(1);
    }).then(() => stopping.abort());
    try {
      await supervisor.start(stopping.signal);
      if (!stopping.signal.aborted) await welcome(context, settings, plan, token, stopping.signal, say);
      await stopped;
      say('stopping: routers, workers, admin, registries …');
      await supervisor.stop();
      say('stopped; everything is kept');
    } catch (error) {
      supervisor.kill();
      throw error;
    }
  } finally {
    folder.release();
  }
}

/** Once the services serve: the example, then the lines to paste, when predictions flow. */
async function welcome(
  context: CliContext,
  settings: MeshSettings,
  plan: MeshPlan,
  token: string,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  const host = loopbackFor(settings.host);
  const addressOf = ({ ports }: PlannedService): string => `${host}:${ports[0]?.port ?? 0}`;
  const routers = plan.routers.map(addressOf);
  const client = context.createClient({ router: routers, admin: addressOf(plan.admin), token });
  const wanted = { workers: settings.workers, routers, registries: settings.registries };
  const waiting = new WaitingLine(say);
  const ready = (): Promise<MeshReadiness> =>
    waitUntilReady(client, wanted, READY_BOUND_MS, signal, (missing) => waiting.show(missing));
  try {
    const attached = await ready();
    if (settings.example && attached.kind !== 'waiting') await importExample(client, settings.data, say, signal);
    const readiness = await ready();
    if (signal.aborted) return;
    for (const line of shortfalls(readiness)) say(line);
    say(await banner(client, settings, plan, host));
  } catch (error) {
    // The mesh serves all the same; whoever started it decides.
    if (!(error instanceof BmsError)) throw error;
    if (!signal.aborted) say(`the mesh is up, but its example could not be brought in: ${error.message}`);
  } finally {
    client.close();
  }
}

function shortfalls(readiness: MeshReadiness): readonly string[] {
  switch (readiness.kind) {
    case 'ready':
      return [];
    case 'waiting':
      return [
        `not everything is ready after ${READY_BOUND_MS / 1000} s: ${readiness.missing}; "npx bms status" shows more`,
      ];
    case 'ready-without':
      return readiness.failures.map((failure) => `cannot be served: ${failure}`);
  }
}
