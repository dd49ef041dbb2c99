export * from './fields';
export * from './load-settings';
export * from './settings-error';
