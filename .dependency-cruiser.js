// Who may import whom: one rule a floor (docs/architecture.md), and no circles, type-only imports included.
// scripts/check-floors.js runs it, also on a fixture that must fail.
const FLOORS = [
  ['contracts'],
  ['onnx-inspect', 'tensor', 'balancing', 'artifacts', 'settings', 'transport'],
  ['grpc', 'h2', 'resilience', 'auth', 'telemetry', 'lifecycle'],
  ['metastore', 'sdk', 'data-plane'],
  ['cli'],
];
const SERVICES = ['registry', 'router', 'inference-worker', 'admin'];

const under = (names) => `^libs/(${names.join('|')})/`;
const pathsAbove = (floor) => FLOORS.slice(floor).flat();

const floorRules = FLOORS.slice(0, 4).flatMap((names, floor) =>
  names.map((name) => ({
    name: `floor-${floor}-${name}`,
    comment: `libs/${name} stands on floor ${floor}: it imports only what stands below`,
    severity: 'error',
    from: { path: `^libs/${name}/` },
    to: { path: [under(pathsAbove(floor).filter((other) => other !== name)), '^services/'] },
  })),
);

const onlyImporter = (what, who, comment) => ({
  name: `only-importer-of-${what.replace(/\W+/g, '-')}`,
  comment,
  severity: 'error',
  from: { path: '^(libs|services)/', pathNot: who },
  to: { path: `node_modules/${what}/` },
});

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'never-the-build',
      comment: 'an import that resolves to dist would pass every rule in silence',
      severity: 'error',
      from: {},
      to: { path: '^(libs|services)/[^/]+/dist/' },
    },
    ...floorRules,
    {
      name: 'cli-starts-services-as-processes',
      severity: 'error',
      from: { path: '^libs/cli/' },
      to: { path: '^services/' },
    },
    ...SERVICES.map((name) => ({
      name: `services-never-import-each-other-${name}`,
      severity: 'error',
      from: { path: `^services/${name}/` },
      to: { path: `^services/(?!${name}/)` },
    })),
    {
      name: 'services-do-not-use-the-sdk-or-cli',
      severity: 'error',
      from: { path: '^services/' },
      to: { path: under(['sdk', 'cli']) },
    },
    {
      name: 'only-registry-imports-the-store',
      severity: 'error',
      from: { path: '^(services|libs)/', pathNot: '^(services/registry|libs/metastore)/' },
      to: { path: under(['metastore']) },
    },
    {
      name: 'front-doors-only',
      comment: 'other packages are entered by index.ts (or a testkit, from specs)',
      severity: 'error',
      from: { path: '^(libs|services)/([^/]+)/' },
      to: { path: '^libs/[^/]+/src/.+', pathNot: ['^libs/$2/', '^libs/[^/]+/src/(index|testkit)\\.ts$'] },
    },
    {
      name: 'production-imports-no-tests',
      severity: 'error',
      from: {
        path: '^(libs|services)/',
        pathNot: '(\\.spec\\.ts|\\.testkit\\.ts|/testkit\\.ts|contract-suite\\.ts|/testkit/)',
      },
      to: { path: '(\\.spec\\.ts|\\.testkit\\.ts|/testkit\\.ts|contract-suite\\.ts|/testkit/)' },
    },
    onlyImporter('@grpc', '^libs/grpc/|\\.spec\\.ts$', 'one transport, one importer'),
    onlyImporter('lmdb', '^libs/metastore/', 'the store is behind its port'),
    onlyImporter(
      'onnxruntime-node',
      '^services/inference-worker/src/servables/onnx-|\\.spec\\.ts$',
      'the runtime is behind Executor',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@bms/source', 'import', 'require', 'node', 'default', 'types'],
    },
    tsConfig: { fileName: 'tsconfig.base.json' },
  },
};
