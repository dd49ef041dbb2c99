import { BmsError, Reason } from '@bms/contracts';
import type { ModelReference, VersionSelector } from '../catalog/resolve-version';

/** What an address of TensorFlow Serving's REST stands for. */
export interface RestTarget {
  readonly kind: 'predict' | 'status' | 'metadata';
  /** `GET` stands for `HEAD`, too. */
  readonly method: 'GET' | 'POST';
  readonly model: ModelReference;
}

const PATH = /^\/v1\/models\/([^/:]+)(?:\/(versions|labels)\/([^/:]+))?(\/metadata|:[^/:]*)?$/;

/** What there is, for who asked for something else. */
export const REST_ADDRESSES =
  'POST /v1/models/NAME:predict, GET /v1/models/NAME and GET /v1/models/NAME/metadata, ' +
  'each also with /versions/NUMBER or /labels/LABEL after NAME';

/**
 * Reads the path of an address, without its query. Undefined: there is no such address. Throws INVALID_REQUEST for a wrong
 * version and for wrong percent-encoding, UNIMPLEMENTED for what TensorFlow Serving offers and BMS does not.
 */
export function parseRestPath(path: string): RestTarget | undefined {
  const match = PATH.exec(path);
  if (match === null) return undefined;
  const [, name = '', kind, of = '', action] = match;
  const model = { name: decoded(name), selector: selectorOf(kind, decoded(of)) };
  switch (action) {
    case undefined:
      return { kind: 'status', method: 'GET', model };
    case '/metadata':
      return { kind: 'metadata', method: 'GET', model };
    case ':predict':
      return { kind: 'predict', method: 'POST', model };
    case ':classify':
    case ':regress':
      throw new BmsError(Reason.UNIMPLEMENTED, `${action.slice(1)} is not offered: there is ${REST_ADDRESSES}`);
    default:
      return undefined;
  }
}

function selectorOf(kind: string | undefined, of: string): VersionSelector {
  if (kind === undefined) return { kind: 'active' };
  if (kind === 'labels') return { kind: 'label', label: of };
  if (/^[0-9]+$/.test(of)) return { kind: 'version', digits: of };
  throw BmsError.invalidRequest('versions', `${JSON.stringify(of.slice(0, 60))} is not a version: digits are allowed`);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw BmsError.invalidRequest('path', `${JSON.stringify(part.slice(0, 60))} is not percent-encoded UTF-8`);
  }
}
