'use strict';
// `npm run test:interop-h2`: gRPC's interoperability cases between our HTTP/2 transport and grpc-js, grpc-go and grpcio, both ways.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { findInterop } = require('./build-interop');
const { ensureBuilt, root } = require('./toolchain');

ensureBuilt(console.log);
const { tools, missing } = findInterop();
for (const what of missing) console.log(`SKIPPED: ${what}`);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bms-interop-'));
try {
  const main = path.join(root, 'test', 'dist', 'h2', 'interop', 'main.js');
  const argument = JSON.stringify({ ...tools, folder });
  process.exitCode = spawnSync(process.execPath, [main, argument], { stdio: 'inherit' }).status ?? 1;
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
