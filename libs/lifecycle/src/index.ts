export * from './bind-policy';
export * from './durable-text';
export * from './folder-lock';
export * from './listening';
export * from './own-version';
export * from './run-service';
export * from './supervisor-link';
