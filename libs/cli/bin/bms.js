#!/usr/bin/env node
'use strict';
// The command that npm links: committed, so that the link is made before the first build, and written so that any Node can read
// it. The command line itself is src/, built into dist/.
const fs = require('fs');
const path = require('path');

const NODE_MAJOR_MIN = 20;
const entry = path.join(__dirname, '..', 'dist', 'index.js');

function giveUp(sentence) {
  process.stderr.write('bms: ' + sentence + '\n');
  process.exit(1);
}

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  giveUp(
    'Node.js ' +
      process.versions.node +
      ' is too old: ' +
      NODE_MAJOR_MIN +
      ' or newer is needed (20, 22 and 24 are supported).',
  );
}
if (!fs.existsSync(entry) || !fs.existsSync(path.join(__dirname, '..', '..', '..', 'node_modules'))) {
  giveUp(
    'it is not built yet. Run "npm start" in ' +
      path.resolve(__dirname, '..', '..', '..') +
      ' (builds, then starts a mesh), or "npm ci && npm run build" for the command line alone.',
  );
}
require(entry).main(process.argv.slice(2));
