'use strict';
// `npm test`: packages, build (end-to-end tests run the built services), then jest. Arguments go to jest:
// `npm test -- libs/tensor`.
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { root, checkNode, ensureBuilt, ensureInstalled } = require('./toolchain');

checkNode();
ensureInstalled(console.log).then(() => {
  ensureBuilt(console.log);
  const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const result = spawnSync(process.execPath, [jest, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
  process.exit(result.status ?? 1);
});
