import { randomBytes, timingSafeEqual, createHash } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BmsError, CallMetadata, Reason } from '@bms/contracts';
import type { Metadata, Route, Routes, ServerCall, Bytes } from '@bms/transport';

/** The secret that processes of one mesh share; whoever holds it may change things. */
export type ServiceToken = string;

const FILE = 'service-token';

/** The token in a mesh's data folder, made there (mode 0600) on the first call. */
export function ensureServiceToken(dataDir: string): ServiceToken {
  mkdirSync(dataDir, { recursive: true });
  const file = join(dataDir, FILE);
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return readServiceToken(dataDir) as ServiceToken;
}

/** The token in a mesh's data folder, or undefined when there is none. Throws when others may read the file. */
export function readServiceToken(dataDir: string): ServiceToken | undefined {
  const file = join(dataDir, FILE);
  try {
    if ((statSync(file).mode & 0o077) !== 0) {
      throw new Error(`${file} is open to other users of this machine: run "chmod 600 ${file}"`);
    }
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The metadata value that carries a token. */
export function bearer(token: ServiceToken): string {
  return `Bearer ${token}`;
}

/** Throws UNAUTHENTICATED unless the metadata carries the token. */
export function requireServiceToken(token: ServiceToken, metadata: Metadata): void {
  const given = metadata.get(CallMetadata.authorization);
  if (given !== undefined && sameSecret(given, bearer(token))) return;
  throw new BmsError(
    Reason.UNAUTHENTICATED,
    `this call needs the mesh's service token (${given === undefined ? 'none was sent' : 'another was sent'}): ` +
      'send "authorization: Bearer TOKEN", the token is in the file service-token of the data folder',
  );
}

/** Wraps routes so that calls to them need the token, except those to `openPaths`. */
export function guardRoutes(routes: Routes, token: ServiceToken, openPaths: ReadonlySet<string>): Routes {
  return new Map([...routes].map(([path, route]) => [path, openPaths.has(path) ? route : guarded(route, token)]));
}

function guarded(route: Route, token: ServiceToken): Route {
  if (route.kind === 'unary') {
    const handle = async (request: Bytes, call: ServerCall): Promise<Bytes> => {
      requireServiceToken(token, call.metadata);
      return route.handle(request, call);
    };
    return { kind: 'unary', handle };
  }
  return {
    kind: 'stream',
    handle: async function* (requests, call) {
      requireServiceToken(token, call.metadata);
      yield* route.handle(requests, call);
    },
  };
}

/** Compares without telling by its time where two secrets differ. */
function sameSecret(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
