import { newProgress, type InferCall } from './infer-call';

/** A call as the OIP edge makes it, for `digits`, without an end to its patience. */
export function inferCall(wish: Partial<InferCall> = {}): InferCall {
  return {
    protocol: 'oip-grpc',
    requestId: 'r-1',
    credentials: { authorization: undefined, tenant: undefined, principal: undefined },
    model: { name: 'digits', selector: { kind: 'active' } },
    parameters: new Map(),
    deadlineMs: Number.MAX_SAFE_INTEGER,
    signal: new AbortController().signal,
    body: { kind: 'oip', bytes: Buffer.from('request') },
    progress: newProgress(),
    ...wish,
  };
}
