import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FolderBlobStore } from '@bms/artifacts';
import { BmsError } from '@bms/contracts';
import {
  FolderTakenError,
  ownVersion,
  StartError,
  SUPERVISED_VARIABLE,
  type RunningService,
  type ServiceEnvironment,
  type StartProgress,
} from '@bms/lifecycle';
import type { MetaStore } from '@bms/metastore';
import { SettingsError } from '@bms/settings';
import { systemClock as clock } from '../clock';
import { blobFolder, storeFolder, type RegistryConfig } from '../config';
import { KeyLayout } from '../records/keys';
import { CorruptValueError, NewerStoreError } from '../records/value-format';
import { openStore } from '../store/open-store';
import { exportMesh } from './export-mesh';
import { importMesh } from './import-mesh';
import type { TransferManifest } from './transfer-format';

/** What is to be done instead of serving. */
export interface TransferWish {
  readonly kind: 'export' | 'import';
  readonly folder: string;
}

/** Undefined: the registry is to serve. Throws SettingsError where both are wished. */
export function transferWish({ export: target, import: source }: RegistryConfig): TransferWish | undefined {
  if (target !== undefined && source !== undefined) {
    throw new SettingsError(
      `setting import (--import, BMS_IMPORT) is ${JSON.stringify(source)}: allowed is one of --export and --import`,
    );
  }
  if (target !== undefined) return { kind: 'export', folder: target };
  return source === undefined ? undefined : { kind: 'import', folder: source };
}

/**
 * Moves a mesh between its store and a folder, then has the process end. Throws StartError in one sentence. What was done is
 * told as facts to who started the process, or else written to stdout.
 */
export async function runTransfer(
  wish: TransferWish,
  config: RegistryConfig,
  environment: ServiceEnvironment,
): Promise<RunningService> {
  const { signal, env } = environment;
  const store = await openForTransfer(wish, config, signal);
  let manifest: TransferManifest;
  try {
    manifest = await transfer(wish, config, store, environment);
  } catch (error) {
    throw explained(error, wish, signal);
  } finally {
    await store.close();
  }
  const facts = factsOf(wish, manifest);
  if (env[SUPERVISED_VARIABLE] === undefined) process.stdout.write(`${JSON.stringify(facts)}\n`);
  setImmediate(() => environment.requestStop('it is done'));
  return { facts, stop: async () => undefined };
}

async function transfer(
  wish: TransferWish,
  config: RegistryConfig,
  store: MetaStore,
  environment: ServiceEnvironment,
): Promise<TransferManifest> {
  const shared = {
    store,
    keys: new KeyLayout(config.storePrefix),
    blobs: new FolderBlobStore(blobFolder(config)),
    folder: wish.folder,
    onProgress: seldom((step) => environment.progress(step)),
  };
  return wish.kind === 'export'
    ? exportMesh({ ...shared, bmsVersion: ownVersion(dirname(__dirname)), nowMs: clock.nowMs() }, environment.signal)
    : importMesh({ ...shared, clock }, environment.signal);
}

/** Opening makes an embedded store where there is none: an export must not. */
async function openForTransfer(wish: TransferWish, config: RegistryConfig, signal: AbortSignal): Promise<MetaStore> {
  const { storeAddress, data } = config;
  if (
    wish.kind === 'export' &&
    storeAddress.kind === 'embedded' &&
    !existsSync(join(storeFolder(config), 'store.mdb'))
  ) {
    throw new StartError(
      `there is no store in ${data}: name the mesh's data folder with --data, or its etcd with --store`,
    );
  }
  try {
    return await openStore(config, signal);
  } catch (error) {
    if (!(error instanceof FolderTakenError)) throw error;
    throw new StartError(
      `the mesh in ${data} is running, and its store belongs to its ${error.owner.program} (pid ${error.owner.pid}): ` +
        `stop the mesh (Ctrl-C where "bms up" runs), then ${wish.kind} again`,
    );
  }
}

function explained(error: unknown, { kind }: TransferWish, signal: AbortSignal): unknown {
  if (signal.aborted) return new StartError(`the ${kind} was given up: run it again, and it goes on`, { cause: error });
  const isForPeople =
    error instanceof NewerStoreError || error instanceof CorruptValueError || error instanceof BmsError;
  return isForPeople ? new StartError(error.message, { cause: error }) : error;
}

function factsOf(
  { folder }: TransferWish,
  { meshId, store, records, blobs }: TransferManifest,
): RunningService['facts'] {
  return {
    folder,
    meshId,
    revision: store.revision,
    models: records.models,
    versions: records.versions,
    artifacts: blobs.count,
    artifactBytes: blobs.sizeBytes,
  };
}

const PROGRESS_EVERY_MS = 100;

/** Bytes come in small pieces: who watches is told ten times a second. */
function seldom(progress: (step: StartProgress) => void): (step: StartProgress) => void {
  let toldMs = -Infinity;
  return (step) => {
    const nowMs = performance.now();
    if (nowMs - toldMs < PROGRESS_EVERY_MS) return;
    toldMs = nowMs;
    progress(step);
  };
}
