'use strict';
// Checks who imports whom (.dependency-cruiser.js), and that the check itself still bites: a fixture that breaks
// each kind of rule must be refused.
const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const cruiser = path.join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
const config = path.join(root, '.dependency-cruiser.js');

function cruise(cwd, outputType) {
  return spawnSync(process.execPath, [cruiser, '--config', config, '--output-type', outputType, 'libs', 'services'], {
    cwd,
    encoding: 'utf8',
  });
}

const fixture = cruise(path.join(__dirname, 'fixtures', 'broken-floors'), 'json');
const broken = new Set(JSON.parse(fixture.stdout).summary.violations.map((violation) => violation.rule.name));
const mustBreak = [
  'no-circles',
  'floor-0-contracts',
  'floor-1-tensor',
  'services-never-import-each-other-router',
  'front-doors-only',
];
const missed = mustBreak.filter((rule) => !broken.has(rule));
if (missed.length > 0) {
  console.error(`The fixture breaks ${missed.join(', ')}, and the check did not see it.`);
  process.exit(1);
}

const real = cruise(root, 'err');
process.stdout.write(real.stdout);
process.stderr.write(real.stderr);
process.exit(real.status ?? 1);
