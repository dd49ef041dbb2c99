import { rawSizeOfTexts } from './onnx-strings';

/** How many outputs a refusal names, the largest first. */
const NAMED_MAX = 3;

/** An output as the runtime gives it: strings are counted as the UTF-8 that is sent. */
export interface MeasuredOutput {
  readonly name: string;
  readonly data: ArrayBufferView | readonly string[];
}

/**
 * Why the outputs of one run are too large to be answered; undefined where they are not. A model may make an answer of
 * any size from a request of a few bytes (Expand, ConstantOfShape), and each copy of it on the way takes memory again.
 * @param limitBytes what they may take together
 */
export function oversizedAnswer(outputs: readonly MeasuredOutput[], limitBytes: number): string | undefined {
  const sized = outputs.map(({ name, data }) => ({
    name,
    bytes: ArrayBuffer.isView(data) ? data.byteLength : rawSizeOfTexts(data),
  }));
  const sumBytes = sized.reduce((sum, { bytes }) => sum + bytes, 0);
  if (sumBytes <= limitBytes) return undefined;
  const largest = sized.sort((a, b) => b.bytes - a.bytes).slice(0, NAMED_MAX);
  const names = largest.map(({ name, bytes }) => `"${name}" takes ${bytes} bytes`).join(', ');
  const more = sized.length > NAMED_MAX ? `, and ${sized.length - NAMED_MAX} more` : '';
  return (
    `its answer takes ${sumBytes} bytes (output ${names}${more}); ` +
    `at most ${limitBytes} are allowed (messageLimit of the worker)`
  );
}
