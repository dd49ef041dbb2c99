import { ELEMENT_TYPES } from './element-types';
import { invalidModel, quoted } from './invalid-model';

/** A file beside the model that holds weights. */
export interface ExternalData {
  /** Relative to the model's folder, with forward slashes and without "." parts. */
  readonly location: string;
  /** As long as the file must be at least for all weights in it. */
  readonly requiredBytes: number;
}

/** What a TensorProto says of its external data. */
export interface ExternalTensor {
  readonly dims: readonly number[];
  readonly elementType: number;
  readonly entries: ReadonlyMap<string, string>;
}

const LOCATION_MAX_CHARACTERS = 1024;
const LOCATIONS_MAX = 100_000;

/** Collects the files that hold a model's weights. */
export class ExternalDataFiles {
  readonly #requiredBytes = new Map<string, number>();

  /** Throws INVALID_MODEL when the location could lead out of the model's folder or a number is absurd. */
  add(tensor: ExternalTensor): void {
    const location = relativeLocation(tensor.entries.get('location') ?? '');
    const offset = byteCount(tensor.entries.get('offset') ?? '0', 'offset', location);
    const given = tensor.entries.get('length');
    const length = given === undefined ? sizeOf(tensor) : byteCount(given, 'length', location);
    this.#requiredBytes.set(location, Math.max(this.#requiredBytes.get(location) ?? 0, offset + length));
    if (this.#requiredBytes.size > LOCATIONS_MAX) throw invalidModel(`its weights lie in over ${LOCATIONS_MAX} files`);
  }

  list(): ExternalData[] {
    return [...this.#requiredBytes]
      .map(([location, requiredBytes]) => ({ location, requiredBytes }))
      .sort((a, b) => (a.location < b.location ? -1 : 1));
  }
}

/**
 * Backslashes and drive letters are refused although they are harmless on Linux: a mesh's workers may run elsewhere. A
 * location that begins with an asterisk is ONNX Runtime's mark for "this offset is a memory address".
 */
function relativeLocation(location: string): string {
  const refuse = (why: string): never => {
    throw invalidModel(
      `the location of external data ${quoted(location)} ${why}: a path inside the model's folder is allowed`,
    );
  };
  if (location === '') refuse('is empty');
  if (location.length > LOCATION_MAX_CHARACTERS) refuse(`has more than ${LOCATION_MAX_CHARACTERS} characters`);

  if (/[\0-\x1f\\]/.test(location)) refuse('has a backslash or a control character');
  if (location.startsWith('/') || /^[A-Za-z]:/.test(location)) refuse('is absolute');
  if (location.startsWith('*')) refuse('is a memory address');
  const parts = location.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) refuse('leaves the folder');
  if (parts.length === 0) refuse('is a folder');
  return parts.join('/');
}

function byteCount(text: string, what: string, location: string): number {
  const count = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(count)) return count;
  throw invalidModel(
    `the ${what} of external data in ${quoted(location)} is ${quoted(text)}: a count of bytes is allowed`,
  );
}

function sizeOf({ dims, elementType }: ExternalTensor): number {
  const bits = dims.reduce((product, dimension) => product * dimension, ELEMENT_TYPES.get(elementType)?.bits ?? 0);
  const sizeBytes = Math.ceil(bits / 8);
  if (Number.isSafeInteger(sizeBytes) && sizeBytes >= 0) return sizeBytes;
  throw invalidModel(`a weight in external data has the absurd shape [${dims.slice(0, 8).join(', ')}]`);
}
