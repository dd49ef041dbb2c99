import { join } from 'node:path';
import { artifactOf, scanArtifact, type ScannedArtifact } from '@bms/artifacts';
import { BmsError, models, Reason } from '@bms/contracts';
import { checkExternalData, inspectOnnxFile } from '@bms/onnx-inspect';
import type { PushFile } from '@bms/sdk';
import { CONFIG_FILE, readVersionConfig, type VersionConfigFile } from './version-config';

/** What a person wants to push, checked as far as this machine can: the registry checks it again. */
export interface PushSource {
  readonly files: readonly PushFile[];
  /** The file that is loaded. */
  readonly entry: string;
  readonly config: VersionConfigFile;
}

/** Stands in for digests while nothing has been read yet. */
const NO_DIGEST = '0'.repeat(64);

/**
 * Reads what `path` holds before a byte is sent: a model that would be refused is refused here. The configuration is the given
 * file's, else that of the folder's bms.json. Throws INVALID_MODEL, INVALID_CONFIG and INVALID_REQUEST that name the file.
 */
export async function readPushSource(
  path: string,
  wish: { readonly entry?: string | undefined; readonly config?: string | undefined },
  signal: AbortSignal,
): Promise<PushSource> {
  const scanned = await scanArtifact(path, signal);
  const entry = entryOf(scanned, wish.entry ?? '');
  const configFile =
    wish.config ??
    (scanned.files.some((file) => file.path === CONFIG_FILE) ? join(scanned.root, CONFIG_FILE) : undefined);
  const config = configFile === undefined ? {} : await readVersionConfig(configFile);
  await checkModel(scanned, entry, signal);
  return { files: scanned.files, entry, config };
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
