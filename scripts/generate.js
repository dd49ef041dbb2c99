'use strict';
// Writes the generated contracts from proto/: typed messages (ts-proto) and the descriptor set for reflection.
// `--check` fails when what is committed differs from what proto/ gives.
const { execFileSync } = require('node:child_process');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const bin = path.join(root, 'node_modules', '.bin');
const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH}` };
const run = (...args) => execFileSync(path.join(bin, 'buf'), args, { cwd: root, env, stdio: 'inherit' });

run('generate', '--clean');
run('build', '--as-file-descriptor-set', '--exclude-source-info=false', '-o', 'libs/contracts/descriptors.binpb');

if (process.argv.includes('--check')) {
  const changed = execFileSync(
    'git',
    ['status', '--porcelain', '--', 'libs/contracts/src/gen', 'libs/contracts/descriptors.binpb'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  if (changed !== '') {
    console.error(`Generated code is not what proto/ gives; run "npm run generate" and commit:\n${changed}`);
    process.exit(1);
  }
}
