import { BmsError } from './bms-error';
import {
  LABEL_PATTERN,
  NAME_MAX_CHARACTERS,
  NAME_PATTERN,
  VERSION_MAX,
  type ModelName,
  type TenantId,
  type VersionNumber,
} from './ids';

/** Checks a model's name. Throws INVALID_REQUEST that names `field`. */
export function parseModelName(text: string, field = 'model'): ModelName {
  return checked(text, field, NAME_PATTERN, 'a letter or digit, then letters, digits, ".", "_" or "-"') as ModelName;
}

/** Checks a tenant's name. Throws INVALID_REQUEST that names `field`. */
export function parseTenantId(text: string, field = 'tenant'): TenantId {
  return checked(text, field, NAME_PATTERN, 'a letter or digit, then letters, digits, ".", "_" or "-"') as TenantId;
}

/** Checks a label. Throws INVALID_REQUEST that names `field`. */
export function parseLabel(text: string, field = 'label'): string {
  return checked(text, field, LABEL_PATTERN, 'a letter, then letters, digits, ".", "_" or "-"');
}

/** Checks a version number, given as digits, a number or a wire int64. Throws INVALID_REQUEST that names `field`. */
export function parseVersionNumber(value: string | number | bigint, field = 'version'): VersionNumber {
  const number = typeof value === 'string' ? (/^[0-9]{1,16}$/.test(value) ? Number(value) : NaN) : Number(value);
  if (!Number.isSafeInteger(number) || number < 1) {
    throw BmsError.invalidRequest(
      field,
      `${JSON.stringify(String(value))} is not a version: 1 to ${VERSION_MAX} is allowed`,
    );
  }
  return number as VersionNumber;
}

function checked(text: string, field: string, pattern: RegExp, allowed: string): string {
  if (text.length === 0 || text.length > NAME_MAX_CHARACTERS || !pattern.test(text)) {
    const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
    throw BmsError.invalidRequest(
      field,
      `${shown} is not allowed: ${allowed}, at most ${NAME_MAX_CHARACTERS} characters`,
    );
  }
  return text;
}
