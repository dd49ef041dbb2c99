import type { Compare } from '@bms/metastore';
import type { Changing } from '../watch/change-source';

/** Which registry decides placement, where several share a store. Tells when this one begins or ceases to lead. */
export interface Leadership extends Changing {
  /** Whether this one leads, as far as it knows. */
  leads(): boolean;
  /** Goes into every transaction that only a leader may make: it fails once another leads. */
  fence(): readonly Compare[];
}

/** The embedded store has one owner, and so one registry. */
export const SOLE_REGISTRY: Leadership = { leads: () => true, fence: () => [], onChange: () => () => undefined };
