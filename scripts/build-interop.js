'use strict';
// The other implementations of gRPC that our transport is tried against: grpc-go's interop client and server, where Go is on the PATH, and
// grpcio (C-core) in an environment of its own, where Python is. Both are kept between runs, in the system's temporary folder.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const GRPC_GO = '1.85.0';
const GRPCIO = '1.85.1';

function run(command, args, env = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stdout}${stderr}`);
}

function has(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Made in a folder beside and renamed, so that one that broke off is not taken for whole. */
function kept(name, make) {
  const folder = path.join(os.tmpdir(), `bms-interop-${os.userInfo().uid}-${name}`);
  const whole = path.join(folder, 'whole');
  if (!fs.existsSync(whole)) {
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true });
    make(folder);
    fs.writeFileSync(whole, '');
  }
  return folder;
}

function findGo() {
  if (!has('go', 'version')) return {};
  const folder = kept(`go-${GRPC_GO}`, (into) => {
    const packages = ['client', 'server'].map((end) => `google.golang.org/grpc/interop/${end}@v${GRPC_GO}`);
    run('go', ['install', ...packages], { GOBIN: into });
  });
  return { goClient: path.join(folder, 'client'), goServer: path.join(folder, 'server') };
}

function findPython() {
  if (!has('python3', '-m', 'venv', '--help')) return {};
  const folder = kept(`grpcio-${GRPCIO}`, (into) => {
    run('python3', ['-m', 'venv', path.join(into, 'venv')]);
    const pip = path.join(into, 'venv', 'bin', 'pip');
    run(pip, ['install', '--quiet', `grpcio==${GRPCIO}`, `grpcio-tools==${GRPCIO}`]);
  });
  return { python: path.join(folder, 'venv', 'bin', 'python') };
}

/** Paths of goClient and goServer, and of a python that has grpcio; what cannot be had is missing, and `missing` says why. */
function findInterop() {
  const missing = [];
  const tools = {};
  for (const [name, find] of [
    ['grpc-go', findGo],
    ['grpcio', findPython],
  ]) {
    let found = {};
    let why = `${name === 'grpcio' ? 'Python' : 'Go'} is not here`;
    try {
      found = find();
    } catch (error) {
      why = error.message;
    }
    if (Object.keys(found).length === 0) missing.push(`${name}: ${why}`);
    Object.assign(tools, found);
  }
  return { tools, missing };
}

module.exports = { findInterop };
