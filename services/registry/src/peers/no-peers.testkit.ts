import type { Peers } from './peer-directory';

/** Of a registry that is the only one. */
export const NO_PEERS: Peers = { list: () => [], onChange: () => () => undefined };
