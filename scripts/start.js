'use strict';
// `npm start`: packages, build, then a whole mesh on this machine (`bms up --example`), in this same process so
// that signals to npm reach the supervisor. What stands behind `npm start --` goes to `bms up`.
const path = require('node:path');
const { root, checkNode, ensureBuilt, ensureInstalled } = require('./toolchain');

checkNode();
ensureInstalled((line) => console.log(`[1/3] ${line}`)).then(() => {
  ensureBuilt((line) => console.log(`[2/3] ${line}`));
  console.log('[3/3] starting the mesh …');
  process.chdir(root);
  require(path.join(root, 'libs', 'cli', 'dist', 'index.js')).main(['up', '--example', ...process.argv.slice(2)]);
});
