'use strict';
// `npm run h2spec`: all cases of h2spec, strict ones included, against our transport's server, in plain text and over TLS: 147 of
// version 2.6, 146 of the one that Go installs; the one that it lacks, a literal whose name is beyond the table, is in
// libs/h2/src/hardening/header-blocks.spec.ts. Arguments go to h2spec: `npm run h2spec -- http2/5.1.1 --verbose`.
const { spawn, spawnSync } = require('node:child_process');
const path = require('node:path');
const readline = require('node:readline');
const { findH2spec } = require('./build-h2spec');
const { ensureBuilt, root } = require('./toolchain');

const CASES_LEAST = 146;

/** Starts the server that h2spec asks; resolves with its ports. */
async function startHandler() {
  const handler = path.join(root, 'test', 'dist', 'h2', 'h2spec-handler.js');
  const child = spawn(process.execPath, [handler], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise((_resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the handler ended with ${code}`)));
  });
  const [line] = await Promise.race([
    new Promise((resolve) => readline.createInterface(child.stdout).once('line', (...args) => resolve(args))),
    exited,
  ]);
  exited.catch(() => {});
  return { child, ...JSON.parse(line) };
}

/** Runs h2spec; tells whether every case passed. */
function passes(h2spec, title, flags, chosen) {
  console.log(`\n== h2spec --strict, ${title}`);
  const args = ['--strict', '--host', '127.0.0.1', ...flags, ...chosen];
  const { status, stdout, stderr } = spawnSync(h2spec, args, { encoding: 'utf8', maxBuffer: 64 * 2 ** 20 });
  const summary = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(stdout);
  const [, cases, passed] = (summary || []).map(Number);
  const good = status === 0 && passed === cases && (chosen.length > 0 || cases >= CASES_LEAST);
  if (!good || chosen.length > 0) process.stdout.write(stdout.slice(Math.max(0, stdout.indexOf('Failures:'))) + stderr);
  console.log(summary ? summary[0] : 'h2spec did not come to its end');
  return good;
}

async function main() {
  const h2spec = findH2spec();
  if (h2spec === undefined) {
    console.error(
      'SKIPPED: h2spec. It is not on the PATH, BMS_H2SPEC names none, and there is no Go to build it with.',
    );
    return process.env.CI === 'true' ? 1 : 0;
  }
  ensureBuilt(console.log);
  const { child, port, tlsPort } = await startHandler();
  try {
    const chosen = process.argv.slice(2);
    const plain = passes(h2spec, 'plain text', ['--port', `${port}`], chosen);
    const secure = passes(h2spec, 'TLS', ['--port', `${tlsPort}`, '--tls', '--insecure'], chosen);
    return plain && secure ? 0 : 1;
  } finally {
    child.stdin.end(); // its cue to end
  }
}

main().then((code) => (process.exitCode = code));
