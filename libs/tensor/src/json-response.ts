import { BmsError, assertNever, type inference } from '@bms/contracts';
import { readInferOutputs } from './infer-response';
import type { JsonForm } from './json-request';
import { textOfElement, typedArrayOf } from './raw';
import { describeShape } from './shape';
import { smallFloatBits, smallFloatValue, type SmallFloat } from './small-float';
import { isBytes, type BytesTensor, type Tensor } from './tensor';

/** The JSON of a tensor's element. */
type Print = (at: number) => string;

/** Outputs of BYTES whose names end so are always given in base64, as TensorFlow Serving does. */
const BASE64_SUFFIX = '_bytes';
/** Decimal digits between which the shortest text lies that reads back as the same number. */
const DIGITS = { FP16: [3, 5], BF16: [2, 4], FP32: [6, 9] } as const;

/**
 * An answer as TensorFlow Serving's REST gives it: `{"predictions": [row, …]}` in row form, `{"outputs": …}` in column form;
 * the value of a single output stands for itself, several are an object. Numbers are shortest texts that read back as the
 * same value, floating ones always with a point or an exponent; int64 is exact. NaN, Infinity and -Infinity are written so,
 * without quotes, as there. BYTES are strings, or `{"b64": "…"}` where they are not UTF-8 or the output's name ends in
 * `_bytes`.
 *
 * Throws INVALID_REQUEST in row form when an output has no row for each instance: the column form can carry it.
 */
export function jsonOfResponse(response: inference.ModelInferResponse, form: JsonForm): string {
  const outputs = readInferOutputs(response);
  switch (form.kind) {
    case 'row':
      return `{"predictions": ${rowsOf(outputs, form.instances)}}\n`;
    case 'column':
      return `{"outputs": ${columnsOf(outputs)}}\n`;
    default:
      return assertNever(form);
  }
}

function columnsOf(outputs: readonly Tensor[]): string {
  const values = outputs.map((tensor) => nested(tensor.shape, printOf(tensor)));
  return outputs.length === 1 ? (values[0] ?? '') : objectOf(outputs, values);
}

function rowsOf(outputs: readonly Tensor[], instances: number): string {
  for (const { name, shape } of outputs) {
    if (shape[0] === instances) continue;
    throw BmsError.invalidRequest(
      'instances',
      `output ${JSON.stringify(name)} has shape ${describeShape(shape)}, so not a row for each of the ${instances} instances: ` +
        'send the tensors whole, in "inputs"',
    );
  }
  const prints = outputs.map(printOf);
  const rows = Array.from({ length: instances }, (_, row) => {
    const values = outputs.map(({ shape }, at) => {
      const rowShape = shape.slice(1);
      const elements = rowShape.reduce((product, size) => product * size, 1);
      return nested(rowShape, prints[at] as Print, row * elements);
    });
    return outputs.length === 1 ? (values[0] ?? '') : objectOf(outputs, values);
  });
  return `[${rows.join(', ')}]`;
}

function objectOf(outputs: readonly Tensor[], values: readonly string[]): string {
  return `{${outputs.map(({ name }, at) => `${JSON.stringify(name)}: ${values[at]}`).join(', ')}}`;
}

/** Nested lists of a shape's elements, from the element `from` on. */
function nested(shape: readonly number[], print: Print, from = 0): string {
  let next = from;
  const level = (depth: number): string => {
    const size = shape[depth];
    if (size === undefined) return print(next++);
    const parts = new Array<string>(size);
    for (let at = 0; at < size; at++) parts[at] = level(depth + 1);
    return `[${parts.join(', ')}]`;
  };
  return level(0);
}

function printOf(tensor: Tensor): Print {
  if (isBytes(tensor)) return printBytes(tensor);
  const { datatype } = tensor;
  const array = typedArrayOf(datatype, tensor.data);
  const value = (at: number): number => array[at] as number;
  switch (datatype) {
    case 'BOOL':
      return (at) => (value(at) === 0 ? 'false' : 'true');
    case 'FP16':
    case 'BF16':
      return (at) => floatText(smallFloatValue(datatype, value(at)), DIGITS[datatype], roundingOf(datatype));
    case 'FP32':
      return (at) => floatText(value(at), DIGITS.FP32, Math.fround);
    case 'FP64':
      return (at) => floatText(value(at));
    default:
      return (at) => String(array[at]);
  }
}

function roundingOf(datatype: SmallFloat): (value: number) => number {
  return (value) => smallFloatValue(datatype, smallFloatBits(datatype, value));
}

/** `digits` and `round` are those of a datatype narrower than a double, whose own shortest text would show digits of noise. */
function floatText(
  value: number,
  digits?: readonly [least: number, most: number],
  round: (value: number) => number = Number,
): string {
  if (!Number.isFinite(value)) return String(value);
  const text = Object.is(value, -0) ? '-0' : digits === undefined ? String(value) : shortestText(value, digits, round);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Any text that rounds to the value is right, fewer digits are better; a whole number of few digits shows them all. */
function shortestText(
  value: number,
  [least, most]: readonly [number, number],
  round: (value: number) => number,
): string {
  if (Number.isInteger(value) && Math.abs(value) < 10 ** most) return String(value);
  const leading = Math.floor(Math.log10(Math.abs(value))) + 1;
  for (let digits = least; digits < most; digits++) {
    const shorter = withDigits(value, digits, leading);
    if (round(shorter) === value) return String(shorter);
  }
  return String(Number(value.toPrecision(most)));
}

/** Powers of ten that a double holds exactly, so that dividing by one rounds once. */
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** `value` in as many digits; by arithmetic where that is exact, which takes a tenth of the time of toPrecision. */
function withDigits(value: number, digits: number, leading: number): number {
  const power = POWERS_OF_TEN[digits - leading];
  return power === undefined ? Number(value.toPrecision(digits)) : Math.round(value * power) / power;
}

function printBytes({ name, elements }: BytesTensor): Print {
  return (at) => {
    const element = elements[at] as Uint8Array;
    const text = name.endsWith(BASE64_SUFFIX) ? undefined : textOfElement(element);
    return text === undefined ? `{"b64": "${Buffer.from(element).toString('base64')}"}` : JSON.stringify(text);
  };
}
