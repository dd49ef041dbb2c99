export * from './bind-policy';
export * from './folder-lock';
export * from './run-service';
export * from './supervisor-link';
