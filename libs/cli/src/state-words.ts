import { models } from '@bms/contracts';

/** `published`. */
export function stateText(state: models.VersionState | undefined): string {
  return models.VersionState[state ?? models.VersionState.UNSPECIFIED].toLowerCase();
}

/** `ready`, `ready (unwarmed)`, `failed`. */
export function replicaText(status: models.ReplicaStatus | undefined): string {
  const state = models.ReplicaState[status?.state ?? models.ReplicaState.UNSPECIFIED].toLowerCase();
  return status?.unwarmed === true ? `${state} (unwarmed)` : state;
}
