export * from './fault-proxy.testkit';
export * from './suites/loopback.testkit';
export { transportSuites } from './suites/transport-suites.testkit';
export type { TransportKit } from './suites/transport-kit.testkit';
