'use strict';
// `npm run fuzz`: bent HTTP/2 frames against both ends of our transport, 200,000 by default; `-- --long`: 10 million; `-- --frames N`,
// `-- --seed S` and `-- --case N` for one session alone. A run that does not go on for a minute hangs, and fails.
const { fork } = require('node:child_process');
const path = require('node:path');
const { ensureBuilt, root } = require('./toolchain');

const HANG_MS = 60_000;

ensureBuilt(console.log);
const child = fork(path.join(root, 'test', 'dist', 'h2', 'fuzz', 'main.js'), process.argv.slice(2), {
  execArgv: ['--expose-gc'],
});
let last = { nextCase: 0 };
let heardMs = Date.now();
child.on('message', (progress) => {
  last = progress;
  heardMs = Date.now();
});
const watch = setInterval(() => {
  if (Date.now() - heardMs < HANG_MS) return;
  console.error(`HANGS: seed ${last.seed}, in the 40 sessions from ${last.nextCase} on`);
  child.kill('SIGKILL');
}, 1000);
child.once('exit', (code) => {
  clearInterval(watch);
  process.exitCode = code ?? 1;
});
