'use strict';
// `npm run test:etcd`: the etcd store's contract and probes, and a mesh over etcd, with the long outages, on the installed etcd, and
// again on a current one: BMS_ETCD_36 names it, or Go builds it. Arguments go to jest.
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { buildEtcd } = require('./build-etcd');
const { ensureBuilt, root } = require('./toolchain');

const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
const current = process.env.BMS_ETCD_36 || buildEtcd();
if (current === undefined) console.log('SKIPPED: a current etcd (set BMS_ETCD_36 to one, or install Go)');

ensureBuilt(console.log);
let failed = false;
for (const etcd of new Set([process.env.BMS_ETCD || 'etcd', current].filter(Boolean))) {
  const env = { ...process.env, BMS_ETCD_LONG: '1', BMS_LATER: '1', ...(etcd === 'etcd' ? {} : { BMS_ETCD: etcd }) };
  console.log(`\n== the etcd store on ${etcd}`);
  const args = [
    jest,
    'libs/metastore/src/etcd',
    'test/e2e/etcd-chaos.spec.ts',
    '--runInBand',
    ...process.argv.slice(2),
  ];
  failed = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' }).status !== 0 || failed;
}
process.exit(failed ? 1 : 0);
