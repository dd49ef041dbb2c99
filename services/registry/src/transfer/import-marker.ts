import type { Entry } from '@bms/metastore';
import { z } from 'zod';
import type { KeyLayout } from '../records/keys';
import { valueFormat } from '../records/value-format';

/** An import into a store has begun and is not finished: no registry may take what is there for a mesh. */
export type ImportMarker = z.infer<typeof markerSchema>;
const markerSchema = z.object({
  /** Which export: the sha256 of its records. */
  recordsSha256: z.string().length(64),
  /** Milliseconds since 1970. */
  startedAtMs: z.number().int().nonnegative(),
});
export const importMarkerFormat = valueFormat({ name: 'marker of an import', version: 1, schema: markerSchema });

/** One sentence where a half-finished import lies in the store; undefined where none does. */
export function importUnderWay(entries: readonly Pick<Entry, 'key' | 'value'>[], keys: KeyLayout): string | undefined {
  const entry = entries.find(({ key }) => key === keys.importing());
  if (entry === undefined) return undefined;
  const { startedAtMs } = importMarkerFormat.decode(entry.value, entry.key);
  return (
    `the store holds half of a mesh: an import into ${keys.prefix} that began at ${new Date(startedAtMs).toISOString()} ` +
    'has not been finished; run the same "bms store import" again, and it goes on'
  );
}
