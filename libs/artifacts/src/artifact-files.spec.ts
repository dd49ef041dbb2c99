import { createHash } from 'node:crypto';
import { models, Reason } from '@bms/contracts';
import { ARTIFACT_BYTES_MAX, artifactDigest, artifactOf, checkArtifactFiles } from './artifact-files';

const SHA = 'a'.repeat(64);

function file(path: string, more: { sizeBytes?: bigint; sha256?: string } = {}): models.ArtifactFile {
  return models.ArtifactFile.create({ path, sizeBytes: 1n, sha256: SHA, ...more });
}

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('checkArtifactFiles', () => {
  it.each([
    'model.onnx',
    'weights/layer 0.bin',
    'a/b/c/d/e.json',
    'Größe.onnx',
    '模型/重み.bin',
    '🦊.onnx',
    '.hidden',
    '...',
    'a..b',
    'weights:0',
    '-rf',
    `${'d/'.repeat(250)}x`,
    'x'.repeat(255),
  ])('takes %j for a path', (path) => {
    expect(() => checkArtifactFiles([file(path)])).not.toThrow();
  });

  it.each([
    ['', 'is empty'],
    ['/etc/passwd', 'is absolute: a path within the folder is allowed'],
    ['//server/share', 'is absolute: a path within the folder is allowed'],
    ['C:/windows', 'is absolute: a path within the folder is allowed'],
    ['c:model.onnx', 'is absolute: a path within the folder is allowed'],
    ['..', 'leaves the folder by ".."'],
    ['../model.onnx', 'leaves the folder by ".."'],
    ['a/../../model.onnx', 'leaves the folder by ".."'],
    ['a/..', 'leaves the folder by ".."'],
    ['.', 'has an empty or "." segment'],
    ['./model.onnx', 'has an empty or "." segment'],
    ['a/./b', 'has an empty or "." segment'],
    ['a//b', 'has an empty or "." segment'],
    ['a/', 'has an empty or "." segment'],
    ['a\\b', 'has a backslash: folders are separated by "/"'],
    ['..\\model.onnx', 'has a backslash: folders are separated by "/"'],
    ['a\0b', 'has a control character, or is not valid Unicode'],
    ['a\nb', 'has a control character, or is not valid Unicode'],
    ['a\u0085b', 'has a control character, or is not valid Unicode'],
    ['a\u007fb', 'has a control character, or is not valid Unicode'],
    ['a\ud800b', 'has a control character, or is not valid Unicode'],
    ['x'.repeat(256), 'has a name of over 255 bytes'],
    ['ä'.repeat(128), 'has a name of over 255 bytes'],
    ['d/'.repeat(256) + 'x', 'has 513 characters: at most 512 are allowed'],
  ])('refuses the path %j', (path, reason) => {
    const error = thrownBy(() => checkArtifactFiles([file('model.onnx'), file(path)]));
    expect(error).toMatchObject({
      reason: Reason.INVALID_REQUEST,
      violations: [{ field: 'files[1].path', description: expect.stringContaining(reason) as string }],
    });
  });

  it.each([
    [['a', 'a'], '"a" is there twice'],
    [['model.onnx', 'Model.ONNX'], '"Model.ONNX" differs from "model.onnx" in upper and lower case only'],
    [['A/x', 'a/X'], '"a/X" differs from "A/x" in upper and lower case only'],
    [['é', 'e\u0301'], 'differs from "é"'],
    [['a', 'a/b'], '"a/b" lies in "a", which is a file'],
    [['a/b/c', 'A/B'], '"a/b/c" lies in "A/B", which is a file'],
  ])('refuses files that have no place of their own: %j', (paths, reason) => {
    const error = thrownBy(() => checkArtifactFiles(paths.map((path) => file(path))));
    expect(error).toMatchObject({
      reason: Reason.INVALID_REQUEST,
      message: expect.stringContaining(reason) as string,
    });
  });

  it.each([
    ['files', [], 'at least one file is needed'],
    ['files', Array.from({ length: 1_001 }, (_, i) => file(`f${i}`)), 'has 1001: at most 1000 are allowed'],
    ['files', [file('a', { sizeBytes: BigInt(ARTIFACT_BYTES_MAX) }), file('b')], `at most ${ARTIFACT_BYTES_MAX}`],
    ['files[0].size_bytes', [file('a', { sizeBytes: -1n })], '-1 is not allowed'],
    ['files[0].sha256', [file('a', { sha256: 'A'.repeat(64) })], '64 lower-case hexadecimal digits are allowed'],
  ])('names %s when it is wrong', (field, files, description) => {
    expect(thrownBy(() => checkArtifactFiles(files))).toMatchObject({
      reason: Reason.INVALID_REQUEST,
      violations: [{ field, description: expect.stringContaining(description) as string }],
    });
  });
});

describe('artifactOf', () => {
  it.each([
    [['b.bin', 'model.onnx', 'other.onnx'], '', 'model.onnx'],
    [['digits.onnx', 'weights.bin'], '', 'digits.onnx'],
    [['digits.onnx', 'deep/model.onnx'], '', 'digits.onnx'],
    [['a.onnx', 'b.onnx'], 'b.onnx', 'b.onnx'],
    [['deep/model.onnx'], 'deep/model.onnx', 'deep/model.onnx'],
    [['a.onnx', 'model.bin'], 'model.bin', 'model.bin'],
    [['A.ONNX'], '', 'A.ONNX'],
  ])('of %j with the wish %j loads %s', (paths, wish, entry) => {
    expect(
      artifactOf(
        paths.map((path) => file(path)),
        wish,
      ).entry,
    ).toBe(entry);
  });

  it.each([
    [
      ['a.onnx', 'b.onnx'],
      'several .onnx files are in the top folder: name the one to load as the entry, out of a.onnx, b.onnx',
    ],
    [['x/m.onnx'], 'no .onnx file is in the top folder: name the one to load as the entry, out of x/m.onnx'],
    [['readme.txt'], 'none of the files is an .onnx file'],
    [Array.from({ length: 12 }, (_, i) => `${String.fromCharCode(97 + i)}.onnx`), 'j.onnx and 2 more'],
  ])('cannot choose out of %j, and says so', (paths, reason) => {
    expect(
      thrownBy(() =>
        artifactOf(
          paths.map((path) => file(path)),
          '',
        ),
      ),
    ).toMatchObject({
      reason: Reason.INVALID_MODEL,
      message: expect.stringContaining(reason) as string,
    });
  });

  it('refuses an entry that is not there, and an empty one; other files may be empty', () => {
    expect(thrownBy(() => artifactOf([file('a.onnx')], 'b.onnx'))).toMatchObject({
      reason: Reason.INVALID_REQUEST,
      violations: [{ field: 'entry' }],
    });
    expect(thrownBy(() => artifactOf([file('a.onnx', { sizeBytes: 0n })], ''))).toMatchObject({
      reason: Reason.INVALID_MODEL,
      message: 'a.onnx is empty',
    });
    expect(artifactOf([file('a.onnx'), file('empty', { sizeBytes: 0n })], '').sizeBytes).toBe(1n);
  });

  it('sorts files by the bytes of their paths and adds their sizes', () => {
    const artifact = artifactOf([file('z.onnx', { sizeBytes: 5n }), file('\u{1f98a}'), file('\uffee'), file('Z')], '');
    expect(artifact.files.map(({ path }) => path)).toEqual(['Z', 'z.onnx', '\uffee', '\u{1f98a}']);
    expect(artifact.sizeBytes).toBe(8n);
  });

  it('has the digest that the contract says, whatever the order', () => {
    const files = [file('b', { sha256: '1'.repeat(64) }), file('a.onnx', { sha256: '2'.repeat(64) })];
    const text = `${'1'.repeat(64)}  b\n${'2'.repeat(64)}  a.onnx\n`;
    const digest = createHash('sha256').update(text).digest('hex');
    expect(artifactOf(files, '').digest).toBe(digest);
    expect(artifactDigest([...files].reverse())).toBe(digest);
    expect(artifactDigest([file('a')])).not.toBe(artifactDigest([file('b')]));
  });
});
