import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { PushFile } from '@bms/sdk';

/** What a person pushes. */
export interface PushFolder {
  readonly files: readonly PushFile[];
  readonly entry: string | undefined;
  /** The folder's own bms.json. */
  readonly configFile: string | undefined;
}

export async function readPushFolder(path: string, _signal: AbortSignal): Promise<PushFolder> {
  await stat(path);
  return { files: [{ path: basename(path), file: path }], entry: undefined, configFile: undefined };
}
