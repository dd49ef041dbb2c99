import { openSync } from 'node:fs';
import { devNull } from 'node:os';
import { resolve } from 'node:path';
import { NOT_YET_EXIT_CODE, StartError, type ServiceFacts } from '@bms/lifecycle';
import { flagOf, SETTINGS_EXIT_CODE, SettingsError } from '@bms/settings';
import type { Command } from 'commander';
import type { CliContext } from '../cli-context';
import { formatBytes } from '../format-bytes';
import { configFile } from '../mesh/config-file';
import { planMesh } from '../mesh/mesh-plan';
import { loadMeshSettings, storeFields } from '../mesh/mesh-settings';
import { ServiceProcess } from '../mesh/service-process';
import { nodeFlags } from '../mesh/node-flags';
import { serviceScript } from '../mesh/supervisor';
import { ProgressBar } from '../progress-bar';
import { shellLine } from '../shell-line';
import { UsageError } from '../usage-error';

type TransferKind = 'export' | 'import';

const SUMMARIES: Readonly<Record<TransferKind, string>> = {
  export: "Write a mesh's models, versions and artifacts into a folder, at one moment",
  import: 'Bring what an export wrote into an empty store',
};

const EXAMPLES: Readonly<Record<TransferKind, readonly string[]>> = {
  export: ['npx bms store export ./backup', 'npx bms store export ./backup --store etcd://127.0.0.1:2379'],
  import: ['npx bms store import ./backup --store etcd://127.0.0.1:2379', 'npx bms store import ./backup --data ./new'],
};

/** `bms store export|import`: a registry does the work, with the settings that the mesh is started with. */
export function addTransferCommands(store: Command, context: CliContext): void {
  for (const kind of ['export', 'import'] as const) {
    store
      .command(`${kind} <folder> [settings...]`)
      .summary(SUMMARIES[kind])
      .description(`${SUMMARIES[kind]}. Takes the settings of "bms up"; those that matter are listed below.`)
      .helpGroup('Mesh:')
      .allowUnknownOption()
      .addHelpText('after', helpText(kind))
      .action(async (folder: string, flags: readonly string[]) => transfer(context, kind, folder, flags));
  }
}

async function transfer(context: CliContext, kind: TransferKind, folder: string, given: readonly string[]) {
  if (folder.startsWith('-')) {
    throw new UsageError(`the folder comes first: npx bms store ${kind} FOLDER ${[folder, ...given].join(' ')}`);
  }
  const isJson = given.includes('--json');
  const sources = { argv: given.filter((word) => word !== '--json'), env: context.env };
  const [registry] = planMesh(loadMeshSettings(sources), configFile(sources)).registries;
  const { terminal } = context;
  const quiet = isJson ? { ...terminal, isInteractive: false, err: () => undefined } : terminal;
  const flags = [...(registry?.flags ?? []), `--${kind}`, resolve(folder)];
  const facts = await runRegistry(context, flags, (phase) => new ProgressBar(phase, quiet, () => performance.now()));
  terminal.out(isJson ? `${JSON.stringify(facts, null, 2)}\n` : `${outcome(kind, folder, sources.argv, facts)}\n`);
}

/** Runs a registry that ends by itself; answers what it says it did. Throws StartError or SettingsError with its sentence. */
async function runRegistry(
  context: CliContext,
  flags: readonly string[],
  newBar: (phase: string) => ProgressBar,
): Promise<ServiceFacts> {
  const bars = new Map<string, ProgressBar>();
  const run = new ServiceProcess({
    nodeFlags: nodeFlags('registry'),
    script: serviceScript('registry'),
    flags,
    logFd: openSync(devNull, 'a'),
    env: context.env,
    onProgress: ({ phase, doneBytes, totalBytes }) => {
      if (!bars.has(phase)) for (const bar of bars.values()) bar.done();
      const bar = bars.get(phase) ?? newBar(phase);
      bars.set(phase, bar);
      bar.update(doneBytes, totalBytes);
    },
  });
  const stopListening = context.onInterrupt(() => run.signal('SIGTERM'));
  try {
    const facts = await run.ready;
    await run.exited;
    return facts;
  } catch (error) {
    const { exitCode } = await run.exited;
    const { message } = error as Error;
    if (exitCode === SETTINGS_EXIT_CODE) throw new SettingsError(message);
    throw new StartError(message, { mayHelpToWait: exitCode === NOT_YET_EXIT_CODE });
  } finally {
    stopListening();
    for (const bar of bars.values()) bar.done();
  }
}

function outcome(kind: TransferKind, folder: string, given: readonly string[], facts: ServiceFacts): string {
  const { models, versions, artifacts, artifactBytes, meshId, revision } = facts;
  const what = `${models} models, ${versions} versions, ${artifacts} artifacts (${formatBytes(Number(artifactBytes))})`;
  return kind === 'export'
    ? `mesh ${meshId} at revision ${revision} is in ${folder}: ${what}, digests checked\nNext: ${shellLine(['npx', 'bms', 'store', 'import', folder])} --store …`
    : `mesh ${meshId} is in the store: ${what}, digests checked\nNext: ${shellLine(['npx', 'bms', 'up', ...given])}`;
}

function helpText(kind: TransferKind): string {
  const lines = Object.entries({ data: undefined, ...storeFields }).map(
    ([key, field]) =>
      `  ${flagOf(key).padEnd(22)} ${field?.description ?? "the mesh's data folder (default: .bms; BMS_DATA)"}`,
  );
  return `\nSettings:\n${lines.join('\n')}\n  --config               a JSON file, as for "bms up"\n  --json                 answer as JSON\n\n${ownBlobs(kind)}\n\nExamples:\n${EXAMPLES[kind].map((line) => `  ${line}`).join('\n')}`;
}

/** Where registries are started one by one, only a registry's own settings name the folder of the artifacts. */
function ownBlobs(kind: TransferKind): string {
  return (
    'On several machines, where the artifacts are in a shared folder (--blobs), a registry does it with its own settings:\n' +
    `  npx bms registry --${kind} ./backup --store etcd://10.0.0.9:2379 --blobs /mnt/bms-blobs`
  );
}
