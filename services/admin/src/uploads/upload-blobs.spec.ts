import { BmsError, type models } from '@bms/contracts';
import { blobsOf } from './upload-blobs';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const file = (path: string, sizeBytes = 1n, sha256 = A): models.ArtifactFile => ({ path, sizeBytes, sha256 });

describe('blobsOf', () => {
  it('gives each digest once, with its size', () => {
    expect(blobsOf([file('m.onnx', 5n), file('copy/m.onnx', 5n), file('w.bin', 0n, B)])).toEqual({ [A]: 5, [B]: 0 });
  });

  it.each([
    ['no files', [], 'files: has 0 entries'],
    ['an absolute path', [file('/etc/passwd')], 'files[0].path'],
    ['a path that steps back', [file('ok'), file('a/../../b')], 'files[1].path: "a/../../b" is not allowed'],
    ['a step that is none', [file('a//b')], 'files[0].path'],
    ['a backslash', [file('a\\b')], 'files[0].path'],
    ['a control character', [file('a\nb')], 'files[0].path'],
    ['a path without end', [file('x'.repeat(1_001))], 'files[0].path'],
    ['a path twice', [file('a'), file('a')], 'files[1].path: "a" is there twice'],
    ['a digest in capitals', [file('a', 1n, 'A'.repeat(64))], 'files[0].sha256: 64 lower-case hex digits'],
    ['a negative size', [file('a', -1n)], 'files[0].size_bytes: is -1'],
    ['a size beyond counting', [file('a', 2n ** 60n)], 'files[0].size_bytes'],
    ['one digest with two sizes', [file('a', 1n), file('b', 2n)], 'files[1].size_bytes: another file'],
  ])('refuses %s', (_name, files, sentence) => {
    expect(() => blobsOf(files)).toThrow(BmsError);
    expect(() => blobsOf(files)).toThrow(sentence);
  });
});
