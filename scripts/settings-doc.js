'use strict';
// Writes docs/settings.md from the services' schemas (their builds). `--check` fails when it is not up to date.
const fs = require('node:fs');
const path = require('node:path');
const { root } = require('./toolchain');
const { flagOf, variableOf } = require(path.join(root, 'libs/settings/dist'));

const SECTIONS = [
  ['mesh', 'bms up', 'libs/cli/dist/mesh/mesh-settings.js', 'meshSchema'],
  ['registry', 'bms registry', 'services/registry/dist/config.js', 'settingsSchema'],
  ['router', 'bms router', 'services/router/dist/config.js', 'settingsSchema'],
  ['worker', 'bms worker', 'services/inference-worker/dist/config.js', 'settingsSchema'],
  ['admin', 'bms admin', 'services/admin/dist/config.js', 'settingsSchema'],
];

const cell = (value) => String(value).replaceAll('|', '\\|');

function table(schema) {
  const rows = Object.entries(schema.shape).map(([key, field]) => {
    const fallback = field.safeParse(undefined).data;
    const shown = fallback === undefined ? '' : Array.isArray(fallback) ? fallback.join(',') : fallback;
    return [`\`${key}\``, `\`${flagOf(key)}\``, `\`${variableOf(key)}\``, cell(shown), cell(field.description ?? '')];
  });
  const all = [['key', 'flag', 'variable', 'default', 'what it is'], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((text, column) => text.padEnd(widths[column])).join(' | ')} |`;
  return [line(all[0]), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

const text = [
  '# Settings',
  'Defaults < file < environment < flags. `--config FILE` (or `BMS_CONFIG`) names a JSON file with a section for each service: `mesh` (for `bms up`), `registry`, `router`, `worker`, `admin`. `bms up` hands the file on to all services. Sizes may be written as `64MiB`, lists with commas between. An unknown flag, section or key and a wrong value stop the start, with the name, the value and what is allowed.',
  ...SECTIONS.flatMap(([section, command, file, name]) => [
    `## ${command} (section \`${section}\`)`,
    table(require(path.join(root, file))[name]),
  ]),
].join('\n\n');

const target = path.join(root, 'docs', 'settings.md');
if (!process.argv.includes('--check')) {
  fs.writeFileSync(target, `${text}\n`);
} else if (fs.readFileSync(target, 'utf8') !== `${text}\n`) {
  console.error('docs/settings.md is not what the settings are: run "npm run settings-doc" and commit.');
  process.exit(1);
}
