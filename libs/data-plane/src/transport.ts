/**
 * What predictions travel on between callers, routers and workers; both are gRPC on HTTP/2, so that each talks to the other.
 * - `h2`: our own, see libs/h2
 * - `grpc-js`: the one that the control plane is on, to fall back to
 */
export type Transport = (typeof TRANSPORTS)[number];

export const TRANSPORTS = ['h2', 'grpc-js'] as const;
