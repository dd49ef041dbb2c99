export * from './fields';
export * from './load-settings';
export * from './service-fields';
export * from './settings-error';
