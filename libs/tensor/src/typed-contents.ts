import { BmsError, inference } from '@bms/contracts';
import { DATATYPES, type ContentsField, type Datatype, type FixedSizeDatatype } from './datatypes';
import { describeRange, integerRange, isInteger } from './integer-range';
import { newTypedArray, rawOf, typedArrayOf } from './raw';
import { describeShape, elementCount } from './shape';
import { isBytes, type Tensor, type TensorHead } from './tensor';

const FIELDS: readonly ContentsField[] = [
  'boolContents',
  'intContents',
  'int64Contents',
  'uintContents',
  'uint64Contents',
  'fp32Contents',
  'fp64Contents',
  'bytesContents',
];

/** A contents field's name as callers write it: `int64_contents`. */
function wireName(field: ContentsField): string {
  return field.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`);
}

/** Whether any field of the contents holds values. A message without values is the same as none. */
export function hasValues(contents: inference.InferTensorContents | undefined): boolean {
  return contents !== undefined && FIELDS.some((field) => contents[field].length > 0);
}

/**
 * The tensor that typed contents hold. `field` is the contents' path, such as `inputs[0].contents`.
 * Throws INVALID_TENSOR: a datatype without a typed form, values in another datatype's field, not as many as the shape
 * takes, a value that is out of the datatype's range.
 */
export function tensorOfContents(
  head: TensorHead,
  contents: inference.InferTensorContents | undefined,
  field: string,
): Tensor {
  const { name, datatype, shape } = head;
  const valuesField: ContentsField | undefined = DATATYPES[datatype].contents;
  if (valuesField === undefined) {
    throw BmsError.invalidTensor(field, `${datatype} has no typed form: send it in raw_input_contents`);
  }
  const wrong = FIELDS.find((other) => other !== valuesField && (contents?.[other].length ?? 0) > 0);
  if (wrong !== undefined) {
    const description = `${datatype} goes in ${wireName(valuesField)}`;
    throw BmsError.invalidTensor(`${field}.${wireName(wrong)}`, description);
  }
  const path = `${field}.${wireName(valuesField)}`;
  const values = contents?.[valuesField] ?? [];
  const count = elementCount(shape);
  if (values.length !== count) {
    throw BmsError.invalidTensor(path, `has ${values.length} values, but shape ${describeShape(shape)} takes ${count}`);
  }
  if (datatype === 'BYTES') return { name, datatype, shape, elements: values as Uint8Array[] };
  return { name, datatype, shape, data: rawOfValues(datatype, values as readonly (number | bigint | boolean)[], path) };
}

/** Values as raw contents. Throws INVALID_TENSOR that names `path[i]` for one that is out of the datatype's range. */
function rawOfValues(
  datatype: FixedSizeDatatype,
  values: readonly (number | bigint | boolean)[],
  path: string,
): Uint8Array {
  const array = newTypedArray(datatype, values.length) as { [at: number]: number | bigint } & ArrayBufferView;
  if (isInteger(datatype)) {
    const range = integerRange(datatype);
    for (let at = 0; at < values.length; at++) {
      const value = values[at] as number | bigint;
      if (value < range.min || value > range.max || (typeof value === 'number' && !Number.isInteger(value))) {
        throw BmsError.invalidTensor(
          `${path}[${at}]`,
          `${value} is out of range for ${datatype}: ${describeRange(range)}`,
        );
      }
      array[at] = value;
    }
  } else {
    for (let at = 0; at < values.length; at++) array[at] = Number(values[at]);
  }
  return rawOf(array);
}

/** Whether a datatype's values can be sent as typed contents. */
export function hasTypedForm(datatype: Datatype): boolean {
  return DATATYPES[datatype].contents !== undefined;
}

/** A tensor's values as typed contents. Its datatype must have a typed form: see {@link hasTypedForm}. */
export function contentsOfTensor(tensor: Tensor): inference.InferTensorContents {
  if (isBytes(tensor)) return inference.InferTensorContents.create({ bytesContents: [...tensor.elements] });
  const array = typedArrayOf(tensor.datatype, tensor.data);
  const field: ContentsField | undefined = DATATYPES[tensor.datatype].contents;
  if (field === undefined) throw new Error(`${tensor.datatype} has no typed form`);
  const values = tensor.datatype === 'BOOL' ? Array.from(array as Uint8Array, (value) => value !== 0) : [...array];
  const contents = inference.InferTensorContents.create();
  return { ...contents, [field]: values };
}
