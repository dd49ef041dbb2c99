import { Reason } from '@bms/contracts';
import { checkExternalData } from '.';

const weights = [
  { location: 'a.bin', requiredBytes: 24 },
  { location: 'parts/b.bin', requiredBytes: 8 },
];

const check =
  (entry: string, files: Readonly<Record<string, number>>): (() => void) =>
  () =>
    checkExternalData(entry, weights, (path) => files[path]);

describe('the files that hold weights', () => {
  it('are looked for beside the model, and may be longer than needed', () => {
    expect(check('model.onnx', { 'a.bin': 24, 'parts/b.bin': 9 })).not.toThrow();
    expect(check('deep/model.onnx', { 'deep/a.bin': 24, 'deep/parts/b.bin': 8 })).not.toThrow();
  });

  it.each([
    [
      'missing',
      { 'a.bin': 24, 'deep/a.bin': 24, 'parts/b.bin': 8 },
      'deep/model.onnx keeps weights in deep/parts/b.bin, which is not among the files: push the folder that has both',
    ],
    [
      'too short',
      { 'deep/a.bin': 24, 'deep/parts/b.bin': 7 },
      'deep/parts/b.bin has 7 bytes, but the weights of deep/model.onnx in it need 8: the file is cut off or of another model',
    ],
  ])('are refused by name where one is %s', (_what, files, sentence) => {
    expect(check('deep/model.onnx', files)).toThrow(
      expect.objectContaining({
        reason: Reason.INVALID_MODEL,
        message: sentence,
        violations: [{ field: 'deep/parts/b.bin', description: sentence }],
      }),
    );
  });
});
