import { spawn } from 'node:child_process';
import { nodeFlags } from './node-flags';
import { serviceScript } from './supervisor';
import type { ServiceKind } from './mesh-plan';

/** `bms registry|router|worker|admin`: runs one service as a process in the foreground; answers its exit code. */
export async function runOneService(kind: ServiceKind, flags: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [...nodeFlags(kind), serviceScript(kind), ...flags], { stdio: 'inherit' });
  // A Ctrl-C reaches the child from the terminal; a SIGTERM only us.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 1));
  });
}
