import { BmsError, Reason } from '@bms/contracts';
import { LeaseNotFoundError, OutcomeUnknownError, StoreUnavailableError } from '@bms/metastore';
import type { Route, Routes } from '@bms/transport';

const RETRY_AFTER_MS = 1_000;

/** Wraps routes so that what the store throws reaches callers with its reason instead of as INTERNAL. */
export function explainStoreFailures(routes: Routes): Routes {
  return new Map([...routes].map(([path, route]) => [path, explained(route)]));
}

function explained(route: Route): Route {
  if (route.kind === 'unary') {
    return {
      kind: 'unary',
      handle: (request, call) =>
        route.handle(request, call).catch((error: unknown) => {
          throw explain(error);
        }),
    };
  }
  return {
    kind: 'stream',
    handle: async function* (requests, call) {
      try {
        yield* route.handle(requests, call);
      } catch (error) {
        throw explain(error);
      }
    },
  };
}

function explain(cause: unknown): unknown {
  if (cause instanceof StoreUnavailableError) {
    return new BmsError(
      Reason.STORE_UNAVAILABLE,
      'the store of the mesh does not answer: nothing was changed, try again',
      {
        cause,
        retryAfterMs: RETRY_AFTER_MS,
      },
    );
  }
  if (cause instanceof LeaseNotFoundError) {
    return new BmsError(Reason.STORE_UNAVAILABLE, 'a lease ran out while it was being used: try again', { cause });
  }
  if (cause instanceof OutcomeUnknownError) {
    return new BmsError(
      Reason.OUTCOME_UNKNOWN,
      'the store did not say whether it has written: look before you repeat it',
      {
        cause,
      },
    );
  }
  return cause;
}
