import type { Compare } from '@bms/metastore';

/** Which registry decides placement, where several share a store. */
export interface Leadership {
  /** Whether this one leads, as far as it knows. */
  leads(): boolean;
  /** Goes into every transaction that only a leader may make: it fails once another leads. */
  fence(): readonly Compare[];
}

/** The embedded store has one owner, and so one registry. */
export const SOLE_REGISTRY: Leadership = { leads: () => true, fence: () => [] };
