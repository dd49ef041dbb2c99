import { LABEL_PATTERN, NAME_MAX_CHARACTERS, parseModelName, parseVersionNumber } from '@bms/contracts';
import type { ModelReference } from '@bms/sdk';
import { UsageError } from '../usage-error';

/** `digits`, `digits@2` or `digits@stable` as typed. Throws UsageError or INVALID_REQUEST that say what is allowed. */
export function parseModelReference(text: string): ModelReference {
  const at = text.indexOf('@');
  if (at < 0) return { model: parseModelName(text, 'NAME') };
  const model = parseModelName(text.slice(0, at), 'NAME');
  const selector = text.slice(at + 1);
  if (/^[0-9]+$/.test(selector)) return { model, version: parseVersionNumber(selector, 'N') };
  if (LABEL_PATTERN.test(selector) && selector.length <= NAME_MAX_CHARACTERS) return { model, label: selector };
  throw new UsageError(
    `${JSON.stringify(text)}: behind "@" stands a version's number or a label, such as ${model}@2 or ${model}@stable`,
  );
}

/** `digits@2`, `digits@stable` or `digits`, as it was typed. */
export function referenceText({ model, version, label }: ModelReference): string {
  const selector = version ?? label;
  return selector === undefined ? model : `${model}@${selector}`;
}
