export * from './bms-client';
export { systemClock, type Clock } from './clock';
export { defaultPrincipal } from './identity';
export type { InferRequest, InferResult } from './infer';
export type { PushedFile, PushFile, PushOptions, PushProgress, PushResult } from './push-version';
export { RETRY_DEFAULTS, type RetryOptions } from './retry';
export * from './tensor-value';
export { BmsError, Reason, type FieldViolation } from '@bms/contracts';
