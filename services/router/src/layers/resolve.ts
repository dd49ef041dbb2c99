import { BmsError, Reason } from '@bms/contracts';
import type { Layer } from '@bms/transport';
import type { Catalog } from '../catalog/catalog';
import { findVersion, requirePublished, requireReady } from '../catalog/resolve-version';
import type { Fleet } from '../fleet/fleet';
import type { InferCall, InferResult } from '../infer-call';

/**
 * Which version the call reaches, by the routes as they are now. Throws MODEL_NOT_FOUND, VERSION_NOT_FOUND,
 * LABEL_NOT_FOUND, NO_ACTIVE_VERSION, VERSION_OFFLINE and NOT_READY.
 */
export function resolve(
  catalog: Pick<Catalog, 'current'>,
  fleet: Pick<Fleet, 'lostLately'>,
): Layer<InferCall, InferResult> {
  return (next) => async (call) => {
    const toPresentVersion = async (): Promise<InferResult> => {
      const version = findVersion(catalog.current, call.progress.tenant, call.model);
      call.progress.version = version; // known also where the call ends here: its refusal is counted for the version
      requirePublished(version);
      // The leases of all workers may have ended together, as when the store stood still: dispatch waits for their return.
      if (!fleet.lostLately(version)) requireReady(version);
      return next(call);
    };
    try {
      return await toPresentVersion();
    } catch (error) {
      // The version went while the call was under way: who has not asked for it by its number means its successor.
      const byNumber = call.model.selector.kind === 'version';
      if (byNumber || call.progress.version === undefined || !BmsError.is(error, Reason.VERSION_NOT_FOUND)) throw error;
      return toPresentVersion();
    }
  };
}
