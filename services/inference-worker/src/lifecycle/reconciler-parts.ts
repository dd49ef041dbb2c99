import type { VersionId } from '@bms/contracts';
import type { Clock } from '../clock';
import type { Servable } from '../servables/servable';
import type { ServableSet } from '../servables/servable-set';
import type { LoadJournal } from './load-journal';
import type { MemoryLedger } from './memory-ledger';
import type { PresentReplica } from './next-action';
import type { ReplicaPhase } from './replica-phase';
import type { VersionLoader } from './version-loader';
import type { WantedVersion } from './wanted-version';

/** What a reconciler works with. */
export interface ReconcilerParts {
  readonly loader: Pick<VersionLoader, 'bringUp'>;
  readonly servables: ServableSet;
  readonly journal: LoadJournal;
  readonly ledger: MemoryLedger;
  readonly clock: Clock;
  /** Whether the device failed, which ends this process; by default it never does. */
  readonly deviceFailed?: () => boolean;
  /** Asks for a new process, which alone can use memory that this one cannot give back. */
  readonly requestRestart: (reason: string) => void;
  /** Folders of this machine, such as the cache: reasons, which travel through the mesh, do not name them. */
  readonly localFolders: readonly string[];
  /** A line for the operator. */
  readonly say: (event: ReconcilerEvent) => void;
}

export interface ReconcilerEvent {
  readonly version: VersionId;
  readonly phase: ReplicaPhase['kind'] | 'gone';
  readonly detail?: string;
}

/** What is present of a version. */
export interface Replica extends PresentReplica {
  readonly wanted: WantedVersion;
  phase: ReplicaPhase;
  sinceMs: number;
  servable: Servable | undefined;
  /** Gives the load up. */
  readonly giveUp: AbortController;
}
