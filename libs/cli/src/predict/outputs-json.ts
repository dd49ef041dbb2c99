import type { InferResult, TensorOutput } from '@bms/sdk';
import { textOfElement } from '@bms/tensor';

/**
 * A result as JSON, an output a line. 64-bit integers keep all digits; NaN and the infinities, which JSON does not have, are the
 * strings that protobuf's JSON uses; BYTES are texts, or `{"b64": …}` where they are not UTF-8.
 */
export function jsonOfResult({ model, version, servedBy, outputs }: InferResult): string {
  const lines = Object.entries(outputs).map(([name, output]) => `    ${JSON.stringify(name)}: ${jsonOfOutput(output)}`);
  return [
    '{',
    `  "model": ${JSON.stringify(model)},`,
    `  "version": ${version},`,
    `  "servedBy": ${JSON.stringify(servedBy)},`,
    '  "outputs": {',
    lines.join(',\n'),
    '  }',
    '}',
    '',
  ].join('\n');
}

function jsonOfOutput(output: TensorOutput): string {
  const { datatype, shape } = output;
  return `{ "datatype": "${datatype}", "shape": [${shape.join(', ')}], "data": ${nested(shape, printerOf(output))} }`;
}

function printerOf(output: TensorOutput): (at: number) => string {
  const { datatype, data } = output;
  switch (datatype) {
    case 'BYTES':
      return (at) => bytesText(data[at] ?? new Uint8Array());
    case 'FP16':
    case 'BF16':
    case 'FP32':
      return (at) => floatText(data[at] ?? NaN, shortest32);
    case 'FP64':
      return (at) => floatText(data[at] ?? NaN, String);
    default:
      return (at) => String(data[at]);
  }
}

function nested(shape: readonly number[], print: (at: number) => string): string {
  let next = 0;
  const level = (depth: number): string => {
    const size = shape[depth];
    if (size === undefined) return print(next++);
    return `[${Array.from({ length: size }, () => level(depth + 1)).join(', ')}]`;
  };
  return level(0);
}

function floatText(value: number, finiteText: (value: number) => string): string {
  return Number.isFinite(value) ? finiteText(value) : JSON.stringify(String(value));
}

/** The shortest text that reads back as the same 32-bit float: as a double it would show digits of noise. */
function shortest32(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return String(shorter);
  }
  return String(Number(value.toPrecision(9)));
}

function bytesText(element: Uint8Array): string {
  const text = textOfElement(element);
  return text === undefined ? `{ "b64": "${Buffer.from(element).toString('base64')}" }` : JSON.stringify(text);
}
