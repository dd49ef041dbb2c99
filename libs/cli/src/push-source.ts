import { join } from 'node:path';
import { artifactOf, scanArtifact, type ScannedArtifact } from '@bms/artifacts';
import { BmsError, DEVICE_FALLBACKS, DEVICE_WISHES, models, Reason } from '@bms/contracts';
import { checkExternalData, inspectOnnxFile } from '@bms/onnx-inspect';
import type { PushFile } from '@bms/sdk';
import { CONFIG_FILE, configFields, readVersionConfig } from './version-config';

/** What a person wants to push, checked as far as this machine can: the registry checks it again. */
export interface PushSource {
  readonly files: readonly PushFile[];
  /** The file that is loaded. */
  readonly entry: string;
  readonly config: Partial<models.VersionConfig>;
}

/** Stands in for digests while nothing has been read yet. */
const NO_DIGEST = '0'.repeat(64);

/**
 * Reads what `path` holds before a byte is sent: a model that would be refused is refused here. The configuration is the given
 * file's, else that of the folder's bms.json; a device and a fallback that are given beside it win. Throws INVALID_MODEL, INVALID_CONFIG and INVALID_REQUEST that name the file.
 */
export async function readPushSource(
  path: string,
  wish: {
    readonly entry?: string | undefined;
    readonly config?: string | undefined;
    readonly device?: string | undefined;
    readonly fallback?: string | undefined;
  },
  signal: AbortSignal,
): Promise<PushSource> {
  const scanned = await scanArtifact(path, signal);
  const entry = entryOf(scanned, wish.entry ?? '');
  const configFile =
    wish.config ??
    (scanned.files.some((file) => file.path === CONFIG_FILE) ? join(scanned.root, CONFIG_FILE) : undefined);
  const config = configFields({
    ...(configFile === undefined ? {} : await readVersionConfig(configFile)),
    ...(wish.device === undefined ? {} : { device: word('--device', wish.device, DEVICE_WISHES) }),
    ...(wish.fallback === undefined ? {} : { fallback: word('--fallback', wish.fallback, DEVICE_FALLBACKS) }),
  });
  await checkModel(scanned, entry, signal);
  return { files: scanned.files, entry, config };
}

function word<T extends string>(flag: string, given: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === given);
  if (found !== undefined) return found;
  const description = `is ${JSON.stringify(given)}: allowed is one of ${allowed.join(', ')}`;
  throw new BmsError(Reason.INVALID_CONFIG, `${flag} ${description}`, { violations: [{ field: flag, description }] });
}

function entryOf({ files }: ScannedArtifact, wish: string): string {
  const listed = files.map(({ path, sizeBytes }) =>
    models.ArtifactFile.create({ path, sizeBytes: BigInt(sizeBytes), sha256: NO_DIGEST }),
  );
  try {
    return artifactOf(listed, wish.replace(/^\.\//, '')).entry;
  } catch (error) {
    if (!BmsError.is(error, Reason.INVALID_MODEL, Reason.INVALID_REQUEST)) throw error;
    throw new BmsError(error.reason, error.message.replace(/^entry:/, '--entry:'), {
      violations: error.violations,
      cause: error,
    });
  }
}

async function checkModel({ root, files }: ScannedArtifact, entry: string, signal: AbortSignal): Promise<void> {
  const { externalData } = await inspectOnnxFile(join(root, entry), signal).catch((error: unknown) => {
    if (!BmsError.is(error, Reason.INVALID_MODEL)) throw error;
    const description = `${entry} cannot be served: ${error.message}`;
    throw new BmsError(Reason.INVALID_MODEL, description, { violations: [{ field: entry, description }] });
  });
  const sizes = new Map(files.map(({ path, sizeBytes }) => [path, sizeBytes]));
  checkExternalData(entry, externalData, (path) => sizes.get(path));
}
