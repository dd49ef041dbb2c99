/** What went wrong, as it may travel through the mesh: without the names of this machine's folders. */
export function withoutFolders(error: unknown, folders: readonly string[]): string {
  const message = error instanceof Error ? error.message : String(error);
  return folders.reduce((text, folder) => text.replaceAll(folder, '…'), message);
}
