/** The longest path of a file within a version, in characters. */
const ARTIFACT_PATH_CHARACTERS_MAX = 512;
/** What file systems take for one name. */
const SEGMENT_BYTES_MAX = 255;

/**
 * Why a path cannot be that of a file within a version; undefined where it can. Workers lay files out by their paths, so
 * one that is allowed stays inside its folder on every system.
 */
export function artifactPathProblem(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (path.length > ARTIFACT_PATH_CHARACTERS_MAX) {
    return `has ${path.length} characters: at most ${ARTIFACT_PATH_CHARACTERS_MAX} are allowed`;
  }
  if (/[\p{Cc}\p{Surrogate}\u2028\u2029]/u.test(path)) return 'has a control character, or is not valid Unicode';
  if (path.includes('\\')) return 'has a backslash: folders are separated by "/"';
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'is absolute: a path within the folder is allowed';
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') return 'has an empty or "." segment';
    if (segment === '..') return 'leaves the folder by ".."';
    if (Buffer.byteLength(segment) > SEGMENT_BYTES_MAX) return `has a name of over ${SEGMENT_BYTES_MAX} bytes`;
  }
  return undefined;
}

/** What two paths have in common when some file system takes them for the same file: case and composition of accents. */
export function pathIdentity(path: string): string {
  return path.normalize('NFC').toLowerCase();
}

/** A path in a message: quoted, and not longer than a line. */
export function shownPath(path: string): string {
  return JSON.stringify(path.length > 100 ? `${path.slice(0, 100)}…` : path);
}

/** The order of paths in an artifact: that of their bytes, the same everywhere. */
export function comparePaths(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
