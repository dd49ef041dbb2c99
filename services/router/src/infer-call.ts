import { BmsError, DEFAULT_TENANT, type inference, type TenantId } from '@bms/contracts';
import type { Bytes, CancelSignal, Metadata } from '@bms/transport';
import type { ModelReference } from './catalog/resolve-version';
import type { VersionEntry } from './catalog/route-table';

/** Who a caller says it is; not checked yet. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly tenant: string | undefined;
  readonly principal: string | undefined;
}

/**
 * A request's body.
 * - `oip`: the bytes of an OIP ModelInferRequest, as the caller sent them
 * - `foreign`: another protocol's request, which can be written as one once the version, and with it the signature, is
 *   known; `fromOip` writes the answer in the caller's protocol
 */
export type RequestBody =
  | { readonly kind: 'oip'; readonly bytes: Bytes }
  | {
      readonly kind: 'foreign';
      readonly toOip: (version: VersionEntry) => Bytes;
      readonly fromOip: (body: Bytes) => Bytes;
    };

/** The protocols that callers speak. */
export type Protocol = 'oip-grpc' | 'tensorflow-rest';

/** One prediction that somebody asks for, in no protocol's words. */
export interface InferCall {
  readonly protocol: Protocol;
  /** Names it in every answer, error and log line. */
  readonly requestId: string;
  readonly credentials: Credentials;
  readonly model: ModelReference;
  /** What the request says beside its tensors. */
  readonly parameters: ReadonlyMap<string, inference.InferParameter>;
  /** When the caller stops waiting: milliseconds since 1970. */
  readonly deadlineMs: number;
  /** Aborted when the caller gave up. */
  readonly signal: CancelSignal;
  readonly body: RequestBody;
  readonly progress: CallProgress;
}

/** What metrics and logs tell of a call. */
export type ObservedCall = Pick<InferCall, 'protocol' | 'requestId' | 'progress'>;

/** What becomes known of a call on its way; each field says which layer writes it. Also read when the call fails. */
export interface CallProgress {
  /** authenticate */
  tenant: TenantId;
  /** authenticate; `anonymous` without credentials */
  principal: string;
  /** resolve */
  version: VersionEntry | undefined;
  /** dispatch: how often it was sent */
  attempts: number;
  /** dispatch: the worker that it was sent to last; "" when to none */
  workerId: string;
}

export interface InferResult {
  /** An OIP ModelInferResponse; at the edge, the answer in the caller's protocol. */
  readonly body: Bytes;
  readonly version: VersionEntry;
  /** What the worker said beside it. */
  readonly trailers: Metadata;
}

export function newProgress(): CallProgress {
  return { tenant: DEFAULT_TENANT, principal: 'anonymous', version: undefined, attempts: 0, workerId: '' };
}

/** The version that `resolve` found. */
export function resolvedVersion({ progress }: InferCall): VersionEntry {
  if (progress.version === undefined) throw new Error('a layer below resolve ran before it');
  return progress.version;
}

/** The OIP bytes that `translate` left. */
export function encodedBody({ body }: InferCall): Bytes {
  if (body.kind !== 'oip') throw new Error('a layer below translate ran before it');
  return body.bytes;
}

/** `error` as a BmsError that names the request. */
export function withRequestId(error: unknown, requestId: string): BmsError {
  const { reason, message, violations, retryAfterMs, facts, cause } = BmsError.from(error);
  return new BmsError(reason, message, {
    violations,
    facts: { ...facts, requestId },
    cause,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
