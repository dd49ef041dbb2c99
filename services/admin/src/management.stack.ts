import { stack } from '@bms/transport';
import type { ManagementHandler, ManagementLayer } from './management-call';

/** The layers of the management road, each made by its file in `layers/`. */
export interface ManagementLayers {
  readonly observe: ManagementLayer;
  readonly authenticate: ManagementLayer;
  readonly authorize: ManagementLayer;
  readonly audit: ManagementLayer;
  readonly forward: ManagementHandler;
}

/**
 * The way of every management call, whether it came by gRPC or as JSON:
 * 1. `observe` counts, times and logs it, whatever its end is.
 * 2. `authenticate` learns who calls.
 * 3. `authorize` decides whether they may, and for which tenant.
 * 4. `audit` writes down what changed, or why it did not. Calls that were refused above change nothing and leave no entry, so
 *    that strangers cannot fill the log.
 * 5. `forward` has the registry answer it, or admin itself.
 */
export function managementStack(layers: ManagementLayers): ManagementHandler {
  return stack([layers.observe, layers.authenticate, layers.authorize, layers.audit], layers.forward);
}
