'use strict';
// Builds a current etcd where Go is on the PATH and prints where it is; prints nothing where there is no Go. It is kept
// between runs, in the system's temporary folder.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const VERSION = '3.6.5';

/** The path of the binary; undefined where there is no Go. Throws what Go says where it cannot be built. */
function buildEtcd() {
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) return undefined;
  const folder = path.join(os.tmpdir(), `bms-etcd-build-${os.userInfo().uid}-${VERSION}`);
  const binary = path.join(folder, 'etcd');
  if (fs.existsSync(binary)) return binary;
  fs.rmSync(folder, { recursive: true, force: true });
  fs.cpSync(path.join(__dirname, 'etcd'), folder, { recursive: true });
  const go = (...args) => {
    const { status, stderr } = spawnSync('go', args, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(`go ${args.join(' ')}: ${stderr}`);
  };
  go('mod', 'tidy');
  go('build', '-o', `${binary}.new`, '.');
  fs.renameSync(`${binary}.new`, binary);
  return binary;
}

module.exports = { buildEtcd };

if (require.main === module) {
  const binary = buildEtcd();
  if (binary === undefined) console.error('Go is not on the PATH: no current etcd is built.');
  else console.log(binary);
}
