// For specs of other packages: small ONNX models made on the spot.
export * from './onnx-writer.testkit';
export * from './proto-writer.testkit';
export * from './sample-models.testkit';
