'use strict';
// What must be there before anything of ours can run: packages and a build. Runs on Node's own modules alone.
const { spawn, spawnSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const NODE_MAJOR_MIN = 20;

/** Ends the process with a sentence and what to do. */
function giveUp(sentence) {
  console.error(`\n${sentence}`);
  process.exit(1);
}

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < NODE_MAJOR_MIN) {
    giveUp(
      `Node.js ${process.versions.node} is too old: BMS needs ${NODE_MAJOR_MIN} or newer (20, 22 and 24 are supported).`,
    );
  }
}

/** Installs the packages of package-lock.json unless exactly those are there. */
async function ensureInstalled(say) {
  const lock = createHash('sha256')
    .update(fs.readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = path.join(root, 'node_modules', '.bms-installed');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock) return;
  say('installing packages (npm ci; once, about half a minute) …');
  const code = await runUntilInterrupted('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code !== 0) giveUp('npm ci failed (see above). Is the npm registry reachable? Then run the command again.');
  fs.writeFileSync(stamp, lock);
}

/**
 * Runs a command in a process group of its own, which ends at once when this process is told to stop: npm by itself goes on
 * for half a minute after a Ctrl-C, and would then work against the next start.
 */
function runUntilInterrupted(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    const interrupt = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // it has just ended
      }
      process.exit(130);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, interrupt);
    child.once('error', () => resolve(1));
    child.once('exit', (code) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, interrupt);
      resolve(code ?? 1);
    });
  });
}

/** Compiles what changed. */
function ensureBuilt(say) {
  const compiler = path.join(root, 'node_modules', 'typescript7', 'bin', 'tsc');
  const first = !fs.existsSync(path.join(root, 'libs', 'cli', 'dist', 'index.js'));
  if (first) say('building …');
  const result = spawnSync(process.execPath, [compiler, '-b'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status !== 0) giveUp('The build failed (see above).');
}

module.exports = { root, checkNode, ensureInstalled, ensureBuilt };
