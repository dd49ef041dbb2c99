import type { ListenAddress } from './server';

/** A server cannot listen because somebody else does: the port is taken. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
  readonly code = 'EADDRINUSE';
  readonly host: string;
  readonly port: number;

  constructor({ host, port }: ListenAddress, cause?: unknown) {
    super(`port ${port} on ${host} is taken by another process`, { cause });
    this.host = host;
    this.port = port;
  }
}

/** Turns what `listen` of node:net failed with into a sentence that a person can act on. */
export function listenFailure(error: unknown, address: ListenAddress): Error {
  const { code, message } = parts(error);
  const { host, port } = address;
  switch (code) {
    case 'EADDRINUSE':
      return new PortTakenError(address, error);
    case 'EACCES':
      return new Error(`port ${port} on ${host} needs more rights than this process has (EACCES)`, { cause: error });
    case 'EADDRNOTAVAIL':
      return new Error(`${host} is not an address of this machine (EADDRNOTAVAIL)`, { cause: error });
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Error(`the host name ${host} cannot be resolved (${code})`, { cause: error });
    case 'ERR_SOCKET_BAD_PORT':
      return new Error(`${port} is not a port: 0 to 65535 is allowed`, { cause: error });
    default:
      return new Error(`cannot listen on ${host}:${port}: ${message}`, { cause: error });
  }
}

function parts(error: unknown): { code?: unknown; message: string } {
  return typeof error === 'object' && error !== null && 'message' in error
    ? { message: String(error.message), ...('code' in error ? { code: error.code } : {}) }
    : { message: String(error) };
}
