import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';

/** The files of the page lie beside src/ and dist/, as the compiler does not copy them. */
const FOLDER = join(__dirname, '../../dashboard');

const FILES = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { path: '/dashboard.js', file: 'dashboard.js', type: 'text/javascript; charset=utf-8' },
  { path: '/dashboard.css', file: 'dashboard.css', type: 'text/css; charset=utf-8' },
] as const;

/** Only what this server serves, nothing inline, in nobody's frame. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The page that shows the mesh: static files, which ask the JSON API like any other client. */
export function addDashboard(app: FastifyInstance): void {
  for (const { path, file, type } of FILES) {
    const content = readFileSync(join(FOLDER, file), 'utf8');
    app.get(path, async (_request, reply) =>
      reply
        .header('content-security-policy', CONTENT_SECURITY_POLICY)
        .header('referrer-policy', 'no-referrer')
        .type(type)
        .send(content),
    );
  }
  app.get('/favicon.ico', async (_request, reply) => reply.code(204).send());
}
