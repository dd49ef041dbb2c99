// For specs of this package and of the command line: a mesh of one process that keeps everything in memory.
export { FakeMesh, type FakeCall } from './fake-mesh.testkit';
