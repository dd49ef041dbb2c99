import { BmsError, Reason } from '@bms/contracts';
import type { Routes } from './call';

/** UNIMPLEMENTED, with what there is instead. */
export function unknownMethod(path: string, routes: Routes): BmsError {
  const service = path.slice(1, path.lastIndexOf('/'));
  const methods = [...routes.keys()].filter((known) => known.startsWith(`/${service}/`));
  if (methods.length > 0) {
    const names = methods.map((known) => known.slice(known.lastIndexOf('/') + 1)).join(', ');
    return new BmsError(Reason.UNIMPLEMENTED, `${path}: ${service} has no such method here; it has ${names}`);
  }
  const services = [...new Set([...routes.keys()].map((known) => known.slice(1, known.lastIndexOf('/'))))].join(', ');
  return new BmsError(Reason.UNIMPLEMENTED, `${path}: there is no such service here; there are ${services}`);
}
