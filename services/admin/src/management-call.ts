import type { Bytes, Handler, Layer, Metadata } from '@bms/transport';
import type { ManagementMethod } from './management-method';

/**
 * Who calls.
 * - `unidentified`: not looked at yet
 * - `anonymous`: sent no token; may read
 * - `trusted`: sent the mesh's service token; may do all. Its word for who it is goes into the audit trail
 */
export type Caller =
  | { readonly kind: 'unidentified' }
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'trusted'; readonly principal: string };

/** A request's fields as far as admin looks at them. */
export type RequestFields = Readonly<Record<string, unknown>>;

/** One call of the management API, from whichever protocol. */
export interface ManagementCall {
  readonly method: ManagementMethod;
  /** The request as it came; forwarded like this. */
  readonly request: Bytes;
  /** The same, decoded. */
  readonly fields: RequestFields;
  readonly metadata: Metadata;
  readonly via: 'grpc' | 'http';
  readonly peer: string;
  /** Milliseconds since 1970; undefined: the caller waits for ever. */
  readonly deadlineMs: number | undefined;
  readonly signal: AbortSignal;
  /** Names the call in logs, the audit trail and the registry. */
  readonly requestId: string;
  readonly caller: Caller;
  /** Whose models are meant; set by `authorize`. */
  readonly tenant: string;
}

export type ManagementHandler = Handler<ManagementCall, Bytes>;
export type ManagementLayer = Layer<ManagementCall, Bytes>;
