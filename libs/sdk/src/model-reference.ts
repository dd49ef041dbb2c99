import { BmsError, LABEL_PATTERN, parseVersionNumber } from '@bms/contracts';

/** Names a model, and which of its versions is meant. */
export interface ModelReference {
  readonly model: string;
  /** A version's number. With neither `version` nor `label` the model's active version is meant. */
  readonly version?: number;
  /** A label, such as `stable`; not together with `version`. */
  readonly label?: string;
}

/** The Open Inference Protocol has one field for both: all digits mean a version. Throws INVALID_REQUEST. */
export function versionField({ version, label }: ModelReference): string {
  if (version !== undefined && label !== undefined) {
    throw BmsError.invalidRequest('label', 'give a version or a label, not both');
  }
  if (label !== undefined && !LABEL_PATTERN.test(label)) {
    throw BmsError.invalidRequest('label', `${JSON.stringify(label)} is not a label: it starts with a letter`);
  }
  return label ?? (version === undefined ? '' : String(parseVersionNumber(version)));
}
