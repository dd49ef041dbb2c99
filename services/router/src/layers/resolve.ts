import type { Layer } from '@bms/transport';
import type { Catalog } from '../catalog/catalog';
import { findVersion, requirePublished, requireReady } from '../catalog/resolve-version';
import type { InferCall, InferResult } from '../infer-call';

/**
 * Which version the call reaches, by the routes as they are now. Throws MODEL_NOT_FOUND, VERSION_NOT_FOUND,
 * LABEL_NOT_FOUND, NO_ACTIVE_VERSION, VERSION_OFFLINE and NOT_READY.
 */
export function resolve(catalog: Catalog): Layer<InferCall, InferResult> {
  return (next) => async (call) => {
    const version = findVersion(catalog.current, call.progress.tenant, call.model);
    call.progress.version = version; // known also where the call ends here: its refusal is counted for the version
    requirePublished(version);
    requireReady(version);
    return next(call);
  };
}
