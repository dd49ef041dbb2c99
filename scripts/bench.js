'use strict';
// `npm run bench`: packages, build (benchmarks measure the built services), then test/bench/main.ts. Not a part of the tests.
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { root, checkNode, ensureBuilt, ensureInstalled } = require('./toolchain');

checkNode();
ensureInstalled(console.error).then(() => {
  ensureBuilt(console.error);
  const main = path.join(root, 'test', 'bench', 'main.ts');
  const args = ['--import', 'tsx', main, ...process.argv.slice(2)];
  const result = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  process.exit(result.status ?? 1);
});
