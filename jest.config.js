// Units beside the code, from the sources; end-to-end tests in test/ against the build.
module.exports = {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@bms/source', 'node', 'node-addons'] },
  roots: ['<rootDir>/libs', '<rootDir>/services', '<rootDir>/scripts', '<rootDir>/test'],
  testMatch: ['**/*.spec.ts'],
  // Take long, much disk, or a machine that lets them: `npm run test:etcd`, `test:hosts`, `test:gpu`, `test:large` and `test:bench`
  // run them.
  testPathIgnorePatterns: [
    '/node_modules/',
    ...(process.env.BMS_LATER === '1'
      ? []
      : ['/test/(e2e/(etcd-chaos|hosts|gpu|large-model)|bench/(transport/transport-)?benchmarks)\\.spec\\.ts$']),
  ],
  modulePathIgnorePatterns: ['/dist/'],
  transform: {
    '\\.[cm]?[jt]s$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  transformIgnorePatterns: ['/node_modules/(?!(jose)/)'],
  testTimeout: 20_000,
  reporters: ['default', '<rootDir>/scripts/skip-reporter.js'],
};
