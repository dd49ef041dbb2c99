export * from './fault-proxy.testkit';
