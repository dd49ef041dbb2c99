import type { Handler, Layer } from '@bms/transport';
import { resolvedVersion, type InferCall, type InferResult, type RequestBody } from '../infer-call';

type Infer = Handler<InferCall, InferResult>;
type ForeignBody = Extract<RequestBody, { kind: 'foreign' }>;

/**
 * Writes other protocols' requests as OIP bytes, now that the signature is known, and their answers back. OIP's own
 * bytes pass untouched. Throws INVALID_REQUEST and INVALID_TENSOR that name the field.
 */
export const translate: Layer<InferCall, InferResult> = (next) => (call) =>
  call.body.kind === 'oip' ? next(call) : translated(next, call, call.body);

async function translated(next: Infer, call: InferCall, body: ForeignBody): Promise<InferResult> {
  const bytes = body.toOip(resolvedVersion(call));
  const result = await next({ ...call, body: { kind: 'oip', bytes } });
  return { ...result, body: body.fromOip(result.body) };
}
