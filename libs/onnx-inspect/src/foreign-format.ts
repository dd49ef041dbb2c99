/** How many bytes of a file's beginning {@link foreignFormat} looks at. */
export const FORMAT_HEAD_BYTES = 512;

interface ForeignFormat {
  /** What the file is, and what to do with it. */
  readonly sentence: string;
  readonly magic: readonly (number | string)[];
  readonly at?: number;
}

const EXPORT_IT = 'export the model to ONNX and push that';

const FORMATS: readonly ForeignFormat[] = [
  {
    magic: ['PK', 3, 4],
    sentence:
      "it is a zip archive (as PyTorch's .pt and .pth and Keras's .keras are): push the .onnx file or the folder that holds it",
  },
  { magic: ['PK', 5, 6], sentence: 'it is an empty zip archive: push the .onnx file or the folder that holds it' },
  { magic: [0x1f, 0x8b], sentence: 'it is a gzip archive: unpack it and push the .onnx file' },
  { magic: ['BZh'], sentence: 'it is a bzip2 archive: unpack it and push the .onnx file' },
  { magic: [0xfd, '7zXZ'], sentence: 'it is an xz archive: unpack it and push the .onnx file' },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], sentence: 'it is a zstd archive: unpack it and push the .onnx file' },
  { magic: ['7z', 0xbc, 0xaf], sentence: 'it is a 7z archive: unpack it and push the .onnx file' },
  { magic: ['ustar'], at: 257, sentence: 'it is a tar archive: unpack it and push the .onnx file' },
  {
    magic: [0x89, 'HDF', 0x0d, 0x0a],
    sentence: `it is an HDF5 file (as Keras's .h5 is): ${EXPORT_IT}, such as with tf2onnx`,
  },
  { magic: ['TFL3'], at: 4, sentence: `it is a TensorFlow Lite model: ${EXPORT_IT}, such as with tf2onnx` },
  {
    magic: ['ORTM'],
    at: 4,
    sentence: "it is in ONNX Runtime's own .ort format: push the .onnx file that it was made from",
  },
  { magic: ['GGUF'], sentence: 'it is a GGUF file: only ONNX models can be served' },
  { magic: [0x93, 'NUMPY'], sentence: 'it is a numpy array, not a model' },
  { magic: ['{"'], at: 8, sentence: `it is a safetensors file, weights without a model: ${EXPORT_IT}` },
  {
    magic: ['version https://git-lfs'],
    sentence: 'it is a git-lfs pointer, not the file: run `git lfs pull` and push again',
  },
];

const PICKLE_PROTOCOL = 0x80;

/**
 * What a file that is no ONNX model is, by its first {@link FORMAT_HEAD_BYTES} bytes: a sentence that says so and what helps.
 * undefined: no known foreign format.
 */
export function foreignFormat(head: Uint8Array): string | undefined {
  const known = FORMATS.find(({ magic, at = 0 }) => startsWith(head.subarray(at), magic));
  if (known !== undefined) return known.sentence;
  if (head[0] === PICKLE_PROTOCOL && (head[1] ?? 0) >= 2 && (head[1] ?? 0) <= 5) {
    return `it is a Python pickle (as older PyTorch files are): ${EXPORT_IT}, such as with torch.onnx.export`;
  }
  return textFormat(head);
}

/** How many characters the end of the head may cut a last one into. */
const CUT_CHARACTERS = 3;

/** Told apart from ONNX by having no control characters, which every protobuf message of this kind has early. */
function textFormat(head: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(head).trimStart();

  if (text === '' || text.slice(0, -CUT_CHARACTERS).includes('\uFFFD') || /[\0-\x08\x0b\x0c\x0e-\x1f]/.test(text))
    return undefined;
  if (/^(<!doctype html|<html)/i.test(text))
    return 'it is an HTML page, such as a failed download leaves: fetch the file again';
  if (text.startsWith('<')) return 'it is XML, not an ONNX model';
  if (text.startsWith('{') || text.startsWith('[')) return 'it is JSON, not an ONNX model';
  return 'it is text, not an ONNX model';
}

function startsWith(bytes: Uint8Array, magic: readonly (number | string)[]): boolean {
  const wanted = magic.flatMap((part) =>
    typeof part === 'number' ? [part] : [...part].map((letter) => letter.charCodeAt(0)),
  );
  return wanted.every((byte, at) => bytes[at] === byte);
}

/** A sentence for a protobuf message that has no ONNX graph in it, by its first bytes. */
export function foreignMessage(head: Uint8Array): string {
  // SavedModel: saved_model_schema_version = 1, then meta_graphs. GraphDef: node first.
  if (startsWith(head, [0x08, 0x01, 0x12]) || head[0] === 0x0a) {
    return `it has no ONNX graph; it looks like a TensorFlow model: ${EXPORT_IT}, such as with tf2onnx`;
  }
  return 'it has no graph, so it is no ONNX model';
}
