export * from './manual-clock.testkit';
