import { inference } from '@bms/contracts';
import { inferResponse, readInferOutputs, type Tensor } from '.';
import { refusal } from './refusal.testkit';

const numbers: Tensor = {
  name: 'y',
  datatype: 'FP32',
  shape: [2],
  data: new Uint8Array(new Float32Array([1, 2]).buffer),
};
const texts: Tensor = { name: 's', datatype: 'BYTES', shape: [1], elements: [Uint8Array.of(0x68, 0x69)] };
const halves: Tensor = { name: 'h', datatype: 'FP16', shape: [1], data: Uint8Array.of(0, 0x3c) };
const named = { modelName: 'm', modelVersion: '3', id: 'a' };

describe('inferResponse', () => {
  it('answers raw with raw', () => {
    const answer = inferResponse({ ...named, typed: false, outputs: [numbers, texts] });
    expect(answer).toMatchObject({
      ...named,
      outputs: [
        { name: 'y', datatype: 'FP32', shape: [2n] },
        { name: 's', shape: [1n] },
      ],
    });
    expect(answer.rawOutputContents).toEqual([
      (numbers as { data: Uint8Array }).data,
      Uint8Array.of(2, 0, 0, 0, 0x68, 0x69),
    ]);
    expect(answer.outputs.map((output) => output.contents)).toEqual([undefined, undefined]);
  });

  it('answers typed with typed', () => {
    const flags: Tensor = { name: 'b', datatype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) };
    const answer = inferResponse({ ...named, typed: true, outputs: [numbers, texts, flags] });
    expect(answer.rawOutputContents).toEqual([]);
    expect(
      answer.outputs.map(({ contents }) => [contents?.fp32Contents, contents?.bytesContents, contents?.boolContents]),
    ).toEqual([
      [[1, 2], [], []],
      [[], [Uint8Array.of(0x68, 0x69)], []],
      [[], [], [true, false]],
    ]);
  });

  it('answers raw as a whole when an output has no typed form', () => {
    const answer = inferResponse({ ...named, typed: true, outputs: [numbers, halves] });
    expect(answer.rawOutputContents).toHaveLength(2);
    expect(answer.outputs[0]?.contents).toBeUndefined();
  });

  it.each([true, false])('is read back by readInferOutputs, typed: %s', (typed) => {
    const answer = inferResponse({ ...named, typed, outputs: [numbers, texts] });
    const wire = inference.ModelInferResponse.decode(inference.ModelInferResponse.encode(answer).finish());
    expect(readInferOutputs(wire)).toEqual([numbers, texts]);
  });

  it('refuses an answer with fewer raw contents than outputs', () => {
    const answer = inferResponse({ ...named, typed: false, outputs: [numbers, texts] });
    answer.rawOutputContents.pop();
    expect(refusal(() => readInferOutputs(answer))).toContain('raw_output_contents: has 1 entries for 2 outputs');
  });
});
