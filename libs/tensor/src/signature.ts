import type { models } from '@bms/contracts';

/** Whether requests can be joined along dimension 0: every input and every output has one, and it is free. */
export function takesBatches(signature: models.Signature): boolean {
  return (
    signature.inputs.length > 0 &&
    [...signature.inputs, ...signature.outputs].every((spec) => !spec.unranked && spec.shape[0] === -1n)
  );
}
