'use strict';
// Finds h2spec: BMS_H2SPEC names it, it is on the PATH, or Go builds it once into the system's temporary folder.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

// The last one that Go's own rules about version numbers let it install.
const VERSION = '2.2.1+incompatible';

/** The command; undefined where there is neither h2spec nor Go. Throws what Go says where it cannot be built. */
function findH2spec() {
  const named = process.env.BMS_H2SPEC || 'h2spec';
  if (spawnSync(named, ['--version'], { stdio: 'ignore' }).status === 0) return named;
  if (process.env.BMS_H2SPEC) throw new Error(`BMS_H2SPEC names ${named}, which does not run`);
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) return undefined;
  const folder = path.join(os.tmpdir(), `bms-h2spec-build-${os.userInfo().uid}-${VERSION}`);
  const binary = path.join(folder, 'h2spec');
  if (fs.existsSync(binary)) return binary;
  const { status, stderr } = spawnSync('go', ['install', `github.com/summerwind/h2spec/cmd/h2spec@v${VERSION}`], {
    env: { ...process.env, GOBIN: folder },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`go install h2spec: ${stderr}`);
  return binary;
}

module.exports = { findH2spec };
