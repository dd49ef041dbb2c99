import { stack, type Handler } from '@bms/transport';
import type { ServiceToken } from '@bms/auth';
import type { InferCall, InferResult } from './infer-call';
import { authenticate } from './layers/authenticate';
import { boundBytes, type ByteBudget } from './layers/bound-bytes';
import { dispatch, type DispatchOptions } from './layers/dispatch';
import { observe, type ObserveOptions } from './layers/observe';
import { resolve } from './layers/resolve';
import { translate } from './layers/translate';
import type { Catalog } from './catalog/catalog';

export interface InferStackParts {
  readonly observe: ObserveOptions;
  readonly token: ServiceToken;
  readonly catalog: Catalog;
  readonly budget: ByteBudget;
  readonly dispatch: DispatchOptions;
}

export type Infer = Handler<InferCall, InferResult>;

/** The way of every prediction, whatever protocol it came by, from top to bottom. */
export function inferStack(parts: InferStackParts): Infer {
  return stack(
    [
      // Around all others, so that every call is counted once, also one that a layer refuses.
      observe(parts.observe),
      // Before anything is looked up: who may not ask learns nothing about what there is.
      authenticate(parts.token),
      // From here on it is known which version the call is about.
      resolve(parts.catalog, parts.dispatch.fleet),
      // admit comes here: limits of tenants and versions need to know both, and a refusal must cost little.
      // The signature is known: other protocols' requests become OIP bytes, which is what all below works on.
      translate,
      boundBytes(parts.budget),
      // cache comes here: a hot answer, or the same request in flight, needs no replica.
    ],
    dispatch(parts.dispatch),
  );
}
