'use strict';
// `npm run build`: packages where they are missing, then what changed.
const { checkNode, ensureBuilt, ensureInstalled } = require('./toolchain');

checkNode();
ensureInstalled(console.log).then(() => ensureBuilt(console.log));
