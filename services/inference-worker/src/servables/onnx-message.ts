import { dirname, sep } from 'node:path';

/** Source files and libraries that ONNX Runtime names with their whole path: only the last part tells people something. */
const FILES_OF_ITS_OWN = /(?:\/[\w.+-]+)+\/([\w.+-]+\.(?:cc|cpp|cu|cuh|h|hpp|inc|so(?:\.\d+)*|dylib|dll|node)\b)/g;

/**
 * What ONNX Runtime says, for callers and operators: without paths of this machine, on one line. Names of nodes, which
 * may look like paths, stay.
 * @param folders folders of this machine that may be in it, such as the model's
 */
export function cleanRuntimeMessage(message: string, folders: readonly string[]): string {
  const withoutFolders = folders.reduce(
    (text, folder) => text.replaceAll(folder + sep, '').replaceAll(folder, '.'),
    message,
  );
  return withoutFolders.replace(FILES_OF_ITS_OWN, '$1').replace(/\s+/g, ' ').trim();
}

/** The folder of a model's file, as {@link cleanRuntimeMessage} takes it. */
export function folderOf(modelFile: string): string {
  return dirname(modelFile);
}
