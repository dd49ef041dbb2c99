import type { Layer } from '@bms/transport';
import { resolvedVersion, type InferCall, type InferResult } from '../infer-call';

/**
 * Writes other protocols' requests as OIP bytes, now that the signature is known, and their answers back. OIP's own
 * bytes pass untouched. Throws INVALID_REQUEST and INVALID_TENSOR that name the field.
 */
export const translate: Layer<InferCall, InferResult> = (next) => async (call) => {
  const { body } = call;
  if (body.kind === 'oip') return next(call);
  const bytes = body.toOip(resolvedVersion(call));
  const result = await next({ ...call, body: { kind: 'oip', bytes } });
  return { ...result, body: body.fromOip(result.body) };
};
