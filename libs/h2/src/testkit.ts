export { describeFrame } from './testkit/frame-log';
export * from './testkit/grpc-request';
export * from './testkit/header-block';
export * from './testkit/raw-call';
export * from './testkit/raw-frame';
export * from './testkit/raw-listener';
export * from './testkit/raw-peer';
export { selfSigned } from './testkit/self-signed';
export { within } from './testkit/within';
