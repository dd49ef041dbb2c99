export { openDataPlane, type DataPlaneOptions, type Peers } from './open-data-plane';
export { dialDataPlane } from './dial-data-plane';
export { TRANSPORTS, type Transport } from './transport';
