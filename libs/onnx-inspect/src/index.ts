export { bytesSource, fileSource, type ByteSource, type FileSource } from './byte-source';
export { checkExternalData } from './check-external-data';
export type { ExternalData } from './external-data';
export { inspectOnnx, inspectOnnxFile, type OnnxModelInfo } from './inspect-onnx';
