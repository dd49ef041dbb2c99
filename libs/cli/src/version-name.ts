import { parseModelName, parseVersionNumber, type models } from '@bms/contracts';
import { UsageError } from './usage-error';

/** `digits@2` as typed. Throws UsageError or INVALID_REQUEST that say what is allowed. */
export function parseVersionName(text: string, tenant: string): models.VersionRef {
  const at = text.indexOf('@');
  if (at < 0) {
    throw new UsageError(
      `${JSON.stringify(text)} names no version: NAME@N is needed, a model's name and a version's number, such as ${sampleOf(text)}@2`,
    );
  }
  const model = parseModelName(text.slice(0, at), 'NAME');
  const number = text.slice(at + 1);
  if (!/^[0-9]+$/.test(number)) {
    throw new UsageError(
      `${JSON.stringify(text)}: behind "@" stands a version's number, such as ${model}@2 (a label works for predictions only)`,
    );
  }
  return { tenant, model, version: BigInt(parseVersionNumber(number, 'N')) };
}

/** `digits@2`. */
export function versionName(ref: models.VersionRef | undefined): string {
  return ref === undefined ? '?' : `${ref.model}@${ref.version}`;
}

/** `LABEL=N` as typed; version 0 where N is left out, which removes the label. */
export function parseLabelMove(text: string): { readonly label: string; readonly version: bigint } {
  const match = /^([^=]+)=([0-9]*)$/.exec(text);
  if (match === null) {
    throw new UsageError(
      `${JSON.stringify(text)} is not LABEL=N: a label and a version's number, such as stable=2, or "stable=" to remove it`,
    );
  }
  const [, label = '', number = ''] = match;
  return { label, version: number === '' ? 0n : BigInt(parseVersionNumber(number, 'N')) };
}

function sampleOf(text: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text) ? text : 'digits';
}
