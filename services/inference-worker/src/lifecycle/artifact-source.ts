import type { models } from '@bms/contracts';

/** Where a version's files come from. */
export interface ArtifactSource {
  /**
   * The folder that holds all files of an artifact, each with the right digest; fetched if need be. It stays until
   * `release`. Throws what a person can act on.
   */
  fetch(artifact: models.Artifact, signal: AbortSignal): Promise<ArtifactFolder>;
}

export interface ArtifactFolder {
  readonly path: string;
  release(): void;
}
