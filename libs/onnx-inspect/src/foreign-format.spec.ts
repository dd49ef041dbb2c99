import { refusalOf } from './refusal.testkit';
import { ProtoWriter } from './testkit';

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const bytes = (...parts: (number | string)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...text(part)])));
const tar = new Uint8Array(1024);
tar.set(text('model.onnx'));
tar.set(text('ustar'), 257);

describe('a file of another format', () => {
  it.each<[string, Uint8Array, string]>([
    [
      'a zip',
      bytes('PK', 3, 4, 20, 0),
      "it is a zip archive (as PyTorch's .pt and .pth and Keras's .keras are): push the .onnx file",
    ],
    ['an empty zip', bytes('PK', 5, 6, 0, 0), 'it is an empty zip archive'],
    ['gzip', bytes(0x1f, 0x8b, 8, 0), 'it is a gzip archive: unpack it'],
    ['tar', tar, 'it is a tar archive'],
    [
      'HDF5',
      bytes(0x89, 'HDF', 0x0d, 0x0a, 0x1a, 0x0a),
      "it is an HDF5 file (as Keras's .h5 is): export the model to ONNX",
    ],
    ['a pickle', bytes(0x80, 4, 0x95, 1, 2), 'it is a Python pickle (as older PyTorch files are)'],
    ['TensorFlow Lite', bytes(0x1c, 0, 0, 0, 'TFL3'), 'it is a TensorFlow Lite model'],
    ['ORT format', bytes(0x1c, 0, 0, 0, 'ORTM'), "it is in ONNX Runtime's own .ort format"],
    ['safetensors', bytes(0x40, 0, 0, 0, 0, 0, 0, 0, '{"weight":{"dtype"'), 'it is a safetensors file'],
    ['GGUF', bytes('GGUF', 3, 0, 0, 0), 'it is a GGUF file'],
    ['numpy', bytes(0x93, 'NUMPY', 1, 0), 'it is a numpy array'],
    [
      'a git-lfs pointer',
      text('version https://git-lfs.github.com/spec/v1\noid sha256:00\n'),
      'it is a git-lfs pointer, not the file: run `git lfs pull`',
    ],
    ['HTML', text('\n<!DOCTYPE html><html></html>'), 'it is an HTML page'],
    ['XML', text('<?xml version="1.0"?><net/>'), 'it is XML'],
    ['JSON', text('{"model": 1}'), 'it is JSON'],
    ['text', text('hello, model'), 'it is text'],
    [
      'a TensorFlow SavedModel',
      new ProtoWriter().varint(1, 1).message(2, new ProtoWriter().text(1, 'x')).finish(),
      'it looks like a TensorFlow model',
    ],
  ])('is named: %s', async (_what, content, sentence) => {
    expect(await refusalOf(content)).toContain(sentence);
  });
});
